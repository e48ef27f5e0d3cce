"""Checks of full-size networks: shapes of weights and outputs, numbers of parameters."""

import json
import math

import numpy as np
import torch

from deformgan.models.discriminator import Discriminator
from deformgan.models.generator import Generator, Guide
from deformgan.models.keras_weights import (
    discriminator_config,
    generator_config,
    keras_parameters,
    to_keras,
)
from deformgan.verify.checks import AllChecks, FileChecks, Finding
from deformgan.verify.golden import size_of

_JOINTS = 18


def check_shapes(all_checks: AllChecks, file: str) -> None:
    """Check net/full_size_shapes.json, with networks on the meta device."""
    checks = all_checks.of_file(file)
    for model in dict.fromkeys(name.partition(".")[0] for name in checks.arrays):
        listed = json.loads(str(checks[f"{model}.weights"]))
        shapes = {name: tuple(shape) for name, shape in listed.items()}
        size = size_of(model)
        with torch.device("meta"):
            if model.startswith("discriminator"):
                found = _discriminator(shapes, size)
            else:
                found = _generator(shapes, size)
        for name, ours in found.items():
            _same(checks, f"{model}.{name}", ours)


def _generator(shapes: dict[str, tuple[int, ...]], size: tuple[int, int]) -> dict[str, object]:
    network = Generator(generator_config(shapes))
    maps = torch.empty(1, _JOINTS, *size)
    # No warping: it does not change the shape of a feature map.
    layers = network.paint(torch.empty(1, 3, *size), Guide(maps, maps, [], []))
    if network.config.streams == 2:
        stacks = {"enc_app": layers.source, "enc_pose": layers.target, "dec": layers.decoder}
    else:
        stacks = {"enc": layers.source, "dec": layers.decoder}
    return {**_weights(network), "output_shapes": _shapes(stacks)}


def _discriminator(shapes: dict[str, tuple[int, ...]], size: tuple[int, int]) -> dict[str, object]:
    network = Discriminator(discriminator_config(shapes))
    image, maps = torch.empty(1, 3, *size), torch.empty(1, _JOINTS, *size)
    layers = network.judge(image, maps, image, maps)
    vector = layers[-1].flatten(1).shape[1]
    return {**_weights(network), "output_shapes": _shapes({"disc": layers}), "final_vector": vector}


def _weights(network: Generator | Discriminator) -> dict[str, object]:
    parameters = keras_parameters(network)
    assert len(parameters) == len(list(network.parameters()))
    return {
        "weights": {name: list(to_keras(value).shape) for name, value in parameters.items()},
        "total_params": sum(math.prod(value.shape) for value in parameters.values()),
    }


def _shapes(stacks: dict[str, list[torch.Tensor]]) -> dict[str, list[int]]:
    return {
        f"{stack}.{place}": list(layer[0].movedim(0, -1).shape)
        for stack, layers in stacks.items()
        for place, layer in enumerate(layers)
    }


def _same(checks: FileChecks, name: str, ours: object) -> Finding:
    return checks.same(name, np.array(json.dumps(ours, sort_keys=True)))
