"""name_arrays: match the layers of a Keras file to the layers of the authors' networks.

Keras numbers layers of one class in the order of creation (`conv2d_7`; the first number depends on
what the process built before). The authors create the whole appearance encoder, then the whole pose
encoder, then the decoder, so the numbers alone identify the layers.

The order of layers in the file is a second, independent source. Keras lists layers by distance from
the output, the farthest first, and layers at equal distance in the order in which a traversal from
the output reaches them. Both encoders' layers of one level are equally far from the output, and the
traversal enters the appearance encoder first, so the two streams alternate level by level:
appearance, pose, appearance, pose. (The weights of a nested model are stored together, so nested
encoders follow each other.)

Shapes are the third source; they distinguish the streams at the first level only. If numbers, order
and shapes contradict each other, nothing is converted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
import torch

from deformgan.errors import InputError
from deformgan.models.discriminator import Discriminator
from deformgan.models.generator import Generator
from deformgan.models.keras_file import KerasFile, KerasLayer
from deformgan.models.keras_weights import (
    discriminator_config,
    generator_config,
    keras_parameters,
    to_keras,
)

_LEVELS = (6, 7)  # of the authors' encoders for images with 128 and 256 rows
_DISCRIMINATOR_LAYERS = 5
_CLASSES = ("conv2d", "conv2d_transpose", "instance_normalization", "dense")

# Input channels of the first layers: 3 per image, 18 for the heat maps of a pose.
_GENERATORS = {
    (21, 18): None,
    (39,): None,
    (21, 21): "the pose stream takes a background image",
    (6, 3): "poses are drawn as stick figures",
    (9,): "poses are drawn as stick figures",
    (3, 18): "the source's pose is not used",
    (21,): "the source's pose is not used",
}
_DISCRIMINATORS = {
    42: None,
    45: "it takes a background image",
    12: "poses are drawn as stick figures",
    24: "the source's pose is not used",
}


@dataclass(frozen=True)
class NamedArrays:
    """The arrays of one of the authors' networks.

    Attributes:
        network: Generator or discriminator.
        arrays: Arrays by our name (see `keras_weights.keras_parameters`), in Keras' axis order.
        paths: Path of each array in the file.
    """

    network: Literal["generator", "discriminator"]
    arrays: dict[str, np.ndarray]
    paths: dict[str, str]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the arrays by name."""
        return {name: array.shape for name, array in self.arrays.items()}


def name_arrays(file: KerasFile) -> NamedArrays:
    """Identify the authors' network in a Keras file and name its arrays.

    Args:
        file: The file; every array in it must match a layer.
    """
    classes = _by_class(file)
    counts = {name: len(layers) for name, layers in classes.items()}
    generator = counts["conv2d_transpose"] > 0
    if generator:
        if counts["dense"] or any(name.startswith("spatial_transformer") for name in file.names):
            raise _unsupported("generator", "its warp_skip is stn, a learned transform")
        places = _generator_places(counts)
    else:
        if counts["dense"]:
            raise _unsupported("discriminator", "its disc_type is sim")
        if any(name.startswith("affine_transform_layer") for name in file.names):
            raise _unsupported("discriminator", "its disc_type is warp")
        places = _discriminator_places(counts)
    named = NamedArrays("generator" if generator else "discriminator", {}, {})
    for name, stacks in places.items():
        layers = _ordered(name, stacks, classes[name])
        for stack, layer in layers.items():
            if name.startswith("conv") and "kernel" not in layer.arrays:
                raise InputError(f"The layer {layer.name} lacks its kernel.")
            for role, array in layer.arrays.items():
                named.arrays[f"{stack}.{role}"] = array
                named.paths[f"{stack}.{role}"] = layer.paths[role]
    _check_inputs(named)
    _check_shapes(named)
    return named


def _unsupported(network: str, why: str) -> InputError:
    return InputError(f"This {network} of the authors' is of a kind that is not converted: {why}.")


def _number(layer: KerasLayer) -> int:
    return int(layer.name.rpartition("_")[2]) if layer.name[-1].isdigit() else 0


def _by_class(file: KerasFile) -> dict[str, list[KerasLayer]]:
    """Group the layers by Keras class, in the file's order."""
    found: dict[str, list[KerasLayer]] = {name: [] for name in _CLASSES}
    for layer in file.layers:
        name = re.sub(r"_\d+$", "", layer.name)
        if name not in found:
            raise InputError(
                f"The layer {layer.name} has weights, but the authors' networks have no layer of "
                f"this class; theirs are {', '.join(_CLASSES)}."
            )
        found[name].append(layer)
    return found


def _generator_places(counts: dict[str, int]) -> dict[str, list[str]]:
    """List our names of a generator's layers, by class, in the order of creation."""
    blocks = counts["conv2d_transpose"]
    levels = blocks + 1
    for streams in (["enc_app", "enc_pose"], ["enc"]):
        decoder = [f"dec.{place}" for place in range(blocks)]
        encoders = [[f"{stream}.{level}" for level in range(levels)] for stream in streams]
        places = {
            "conv2d": [*chain(*encoders), f"dec.{blocks}"],
            "conv2d_transpose": decoder,
            # The first and the last level have no normalization.
            "instance_normalization": [*chain(*(enc[1:-1] for enc in encoders)), *decoder],
        }
        if levels in _LEVELS and all(len(places[name]) == counts[name] for name in places):
            return places
    raise InputError(
        f"A network with {_counted(counts)} layers is none of the authors' generators, which have "
        "13, 5 and 13 or 15, 6 and 16 with two streams, 7, 5 and 9 or 8, 6 and 11 with one."
    )


def _discriminator_places(counts: dict[str, int]) -> dict[str, list[str]]:
    stacks = [f"disc.{place}" for place in range(_DISCRIMINATOR_LAYERS)]
    places = {"conv2d": stacks, "instance_normalization": stacks[1:-1]}
    if any(len(places[name]) != counts[name] for name in places):
        raise InputError(
            f"A network with {_counted(counts)} layers is none of the authors': a generator needs "
            "conv2d_transpose, and a discriminator has 5, 0 and 3."
        )
    return places


def _counted(counts: dict[str, int]) -> str:
    shown = [f"{counts[name]} {name}" for name in _CLASSES[:3]]
    return f"{', '.join(shown[:2])} and {shown[2]}"


def _ordered(
    name: str, stacks: Sequence[str], layers: Sequence[KerasLayer]
) -> dict[str, KerasLayer]:
    """Assign layers to places by number, and check that the file's order agrees."""
    ordered = sorted(layers, key=_number)
    numbers = [_number(layer) for layer in ordered]
    if len(set(numbers)) < len(numbers):
        raise InputError(f"Two {name} layers have the same number, so their order is unknown.")
    found = dict(zip(stacks, ordered, strict=True))
    listed = [stack for layer in layers for stack, other in found.items() if other is layer]
    if listed not in (list(stacks), sorted(stacks, key=_distance)):
        raise InputError(
            f"The numbers of the {name} layers contradict their order in the file, so they cannot "
            "be identified."
        )
    return found


def _distance(stack: str) -> tuple[bool, int, str]:
    """Return a sort key by position from input to output, appearance before pose at a tie."""
    stream, _, place = stack.partition(".")
    return stream == "dec", int(place), stream


def _check_inputs(named: NamedArrays) -> None:
    """Reject networks that differ from the supported ones only in their inputs."""
    first = [f"{stack}.0.kernel" for stack in ("enc_app", "enc_pose", "enc", "disc")]
    kernels = [named.arrays[name] for name in first if name in named.arrays]
    channels = tuple(kernel.shape[2] if kernel.ndim == 4 else 0 for kernel in kernels)
    if named.network == "generator":
        why = _GENERATORS.get(channels)
    else:
        why = _DISCRIMINATORS.get(channels[0] if channels else 0)
    if why is not None:
        raise _unsupported(named.network, why)


def _check_shapes(named: NamedArrays) -> None:
    """Compare the shape of every array with our network of the same widths."""
    for name, shape in named.shapes.items():
        if name.endswith(".kernel") and len(shape) != 4:
            raise InputError(f"{named.paths[name]} has shape {shape}; a kernel has four axes.")
    with torch.device("meta"):
        network: Generator | Discriminator
        if named.network == "generator":
            network = Generator(generator_config(named.shapes))
        else:
            network = Discriminator(discriminator_config(named.shapes))
    expected = {
        name: tuple(to_keras(value).shape) for name, value in keras_parameters(network).items()
    }
    if missing := sorted(expected.keys() - named.arrays.keys()):
        raise InputError(f"The file lacks the arrays that are called {', '.join(missing)} here.")
    for name, array in named.arrays.items():
        path = named.paths[name]
        if name not in expected:
            raise InputError(f"{path} is unexpected: the authors' layer has no such array.")
        if array.shape != expected[name]:
            raise InputError(
                f"{path} has shape {array.shape}; as {name} it must have {expected[name]}."
            )
