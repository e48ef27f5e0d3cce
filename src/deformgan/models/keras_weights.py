"""keras_parameters, load_keras_arrays, generator_config: loading the authors' Keras weights."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deformgan.models.discriminator import Discriminator, DiscriminatorConfig
from deformgan.models.generator import Generator, GeneratorConfig

WARPED_LEVELS = 4  # of the authors' generators


def keras_parameters(network: Generator | Discriminator) -> dict[str, nn.Parameter]:
    """Map the array names of the authors' networks to our parameters.

    Args:
        network: A network in the reference's form: transposed up-sampling, joint norm.

    Returns:
        Parameters by array name: `enc_app.I`, `enc_pose.I`, `enc.I` (baseline), `dec.I` or
        `disc.I`, followed by `.kernel`, `.bias`, `.gamma` or `.beta`.
    """
    stacks: dict[str, list[Any]]
    if isinstance(network, Discriminator):
        stacks = {"disc": list(network.layers)}
    else:
        stacks = {"dec": [*network.decoder, network.head]}
        if network.config.streams == 2:
            stacks["enc_app"] = list(network.source_encoder)
            stacks["enc_pose"] = list(network.target_encoder)
        else:
            stacks["enc"] = list(network.source_encoder)
    found: dict[str, nn.Parameter] = {}
    for stack, layers in stacks.items():
        for place, layer in enumerate(layers):
            conv = layer if isinstance(layer, nn.Conv2d) else layer.conv
            found[f"{stack}.{place}.kernel"] = conv.weight
            if conv.bias is not None:
                found[f"{stack}.{place}.bias"] = conv.bias
            norm = getattr(layer, "norm", None)
            if norm is not None and not isinstance(norm, nn.Identity):
                found[f"{stack}.{place}.gamma"] = norm.weight
                found[f"{stack}.{place}.beta"] = norm.bias
    return found


@torch.no_grad()
def load_keras_arrays(network: Generator | Discriminator, arrays: Mapping[str, np.ndarray]) -> None:
    """Copy the authors' arrays into a network.

    Args:
        network: Changed in place; see `keras_parameters`.
        arrays: Arrays by name; kernels are (rows, columns, in, out), transposed ones (rows,
            columns, out, in).

    Raises:
        ValueError: If an array is missing, unknown or of another shape.
    """
    parameters = keras_parameters(network)
    if parameters.keys() != arrays.keys():
        odd = sorted(parameters.keys() ^ arrays.keys())
        raise ValueError(f"arrays and network differ in {', '.join(odd)}.")
    for name, parameter in parameters.items():
        value = from_keras(torch.as_tensor(np.asarray(arrays[name])))
        if value.shape != parameter.shape:
            raise ValueError(
                f"{name} has shape {tuple(value.shape)}, the network {tuple(parameter.shape)}."
            )
        parameter.copy_(value)


def from_keras(array: Tensor) -> Tensor:
    """Permute an array to PyTorch's axis order; works for both kinds of convolution."""
    return array.permute(3, 2, 0, 1) if array.ndim == 4 else array


def to_keras(tensor: Tensor) -> Tensor:
    """Permute a weight or gradient to Keras' axis order."""
    return tensor.permute(2, 3, 1, 0) if tensor.ndim == 4 else tensor


def generator_config(shapes: Mapping[str, tuple[int, ...]]) -> GeneratorConfig:
    """Derive widths and streams from the shapes of Keras weights."""
    stream = "enc" if "enc.0.kernel" in shapes else "enc_app"
    levels = sum(bool(re.fullmatch(rf"{stream}\.\d+\.kernel", name)) for name in shapes)
    return GeneratorConfig(
        encoder_widths=tuple(shapes[f"{stream}.{level}.kernel"][3] for level in range(levels)),
        decoder_widths=tuple(shapes[f"dec.{level}.kernel"][2] for level in range(levels - 1)),
        streams=1 if stream == "enc" else 2,
        warp="none" if stream == "enc" else "parts",
        warped_levels=WARPED_LEVELS,
        interpolation="nearest",
        norm="joint",
        heatmap_kind="terraced",
        fit="total",
        frame="strided",
        convention="reference",
    )


def discriminator_config(shapes: Mapping[str, tuple[int, ...]]) -> DiscriminatorConfig:
    """Derive the widths from the shapes of Keras weights."""
    layers = sum(name.endswith(".kernel") for name in shapes)
    widths = tuple(shapes[f"disc.{layer}.kernel"][3] for layer in range(layers - 1))
    return DiscriminatorConfig(widths=widths, norm="joint", heatmap_kind="terraced")
