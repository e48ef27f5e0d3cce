"""read_settings: what a saved Keras architecture tells of a generator beyond its weights."""

from dataclasses import dataclass
from typing import Any, Literal

from deformgan.errors import InputError

_WARPS: dict[int, Literal["parts", "global"]] = {10: "parts", 1: "global"}
_AGGREGATIONS: dict[str, Literal["max", "average"]] = {"max": "max", "avg": "average"}


@dataclass(frozen=True)
class Settings:
    """What no weight shows; None where the file does not say.

    Attributes:
        warp: See `GeneratorConfig`.
        aggregation: See `GeneratorConfig`.
        size: Height and width of the images, in pixels.
    """

    warp: Literal["parts", "global"] | None = None
    aggregation: Literal["max", "average"] | None = None
    size: tuple[int, int] | None = None


def read_settings(config: Any) -> Settings:
    """Reads them off the authors' warping layers and the model's image inputs.

    Args:
        config: What `model.save` wrote, parsed; None of a file that has only weights.
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
            f"aggregates by {_listed(aggregations)}; known are 10 or 1, max or avg."
        )
    if max(len(transforms), len(aggregations), len(sizes)) > 1:
        raise InputError("The architecture in the file has warps or images of several kinds.")
    return Settings(
        warp=next((_WARPS[number] for number in transforms), None),
        aggregation=next((_AGGREGATIONS[name] for name in aggregations), None),
        size=next(iter(sizes), None),
    )


def _listed(values: set[Any]) -> str:
    return ", ".join(map(str, sorted(values, key=str)))
