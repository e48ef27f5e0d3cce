"""read_settings: generator settings from a saved Keras architecture."""

from dataclasses import dataclass
from typing import Any, Literal

from deformgan.errors import InputError

_WARPS: dict[int, Literal["parts", "global"]] = {10: "parts", 1: "global"}
_AGGREGATIONS: dict[str, Literal["max", "average"]] = {"max": "max", "avg": "average"}


@dataclass(frozen=True)
class Settings:
    """Settings that the weights do not determine; None where the file lacks them.

    Attributes:
        warp: See `GeneratorConfig`.
        aggregation: See `GeneratorConfig`.
        size: Height and width of the images, in pixels.
    """

    warp: Literal["parts", "global"] | None = None
    aggregation: Literal["max", "average"] | None = None
    size: tuple[int, int] | None = None


def read_settings(config: Any) -> Settings:
    """Read the settings from the authors' warping layers and the model's image inputs.

    Args:
        config: The parsed architecture written by `model.save`; None for a file with weights only.
    """
    if config is None:
        return Settings()
    transforms, aggregations, sizes = set(), set(), set()
    try:
        for layer in config["config"]["layers"]:
            match layer["class_name"]:
                case "AffineTransformLayer":
                    transforms.add(layer["config"]["number_of_transforms"])
                    aggregations.add(layer["config"]["aggregation_fn"])
                case "InputLayer":
                    shape = layer["config"]["batch_input_shape"]
                    if len(shape) == 4 and shape[-1] == 3:
                        sizes.add((int(shape[1]), int(shape[2])))
    except (KeyError, TypeError, ValueError):
        raise InputError("The architecture in the file (model_config) is not Keras 2's.") from None
    if transforms - _WARPS.keys() or aggregations - _AGGREGATIONS.keys():
        raise InputError(
            f"The architecture in the file warps by {_listed(transforms)} transforms and "
            f"aggregates by {_listed(aggregations)}; supported are 10 or 1, max or avg."
        )
    if max(len(transforms), len(aggregations), len(sizes)) > 1:
        raise InputError("The architecture in the file mixes different warps or image sizes.")
    return Settings(
        warp=next((_WARPS[number] for number in transforms), None),
        aggregation=next((_AGGREGATIONS[name] for name in aggregations), None),
        size=next(iter(sizes), None),
    )


def _listed(values: set[Any]) -> str:
    return ", ".join(map(str, sorted(values, key=str)))
