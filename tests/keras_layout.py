"""Write the authors' networks as Keras 2.0.8 does: layer names, order, groups and attributes.

The layers are created in the authors' order and listed in the order that Keras gives
`model.layers`: by the longest way to an output, farthest first, and at the same distance as a walk
back from the outputs meets them. The graph is spelled out here, so that the order is computed and
not assumed.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from deformgan.models.discriminator import Discriminator
from deformgan.models.generator import Generator
from deformgan.models.keras_weights import (
    discriminator_config,
    generator_config,
    keras_parameters,
    to_keras,
)

Arrays = Mapping[str, np.ndarray]

# Keras' names for its classes where they differ from the class's own in lower case.
SNAKES = {
    "Conv2D": "conv2d",
    "Conv2DTranspose": "conv2d_transpose",
    "Cropping2D": "cropping2d",
    "InputLayer": "input",
    "InstanceNormalization": "instance_normalization",
    "LeakyReLU": "leaky_re_lu",
    "ZeroPadding2D": "zero_padding2d",
    "AffineTransformLayer": "affine_transform_layer",
    "SpatialTransformer": "spatial_transformer",
}


def random_generator(streams: int = 2, levels: int = 6, width: int = 4) -> dict[str, np.ndarray]:
    """Draw the arrays of a narrow generator of the authors', no two alike."""
    inputs = {"enc_app": 21, "enc_pose": 18} if streams == 2 else {"enc": 39}
    shapes: dict[str, tuple[int, ...]] = {}
    for stack, channels in inputs.items():
        for level in range(levels):
            before = width + level - 1 if level else channels
            shapes[f"{stack}.{level}.kernel"] = (4 if level else 3,) * 2 + (before, width + level)
    for place in range(levels - 1):
        shapes[f"dec.{place}.kernel"] = (4, 4, width + place, 0)
    return _drawn(Generator(generator_config(shapes)))


def random_discriminator(width: int = 4) -> dict[str, np.ndarray]:
    """Draw the arrays of a narrow discriminator."""
    shapes = {f"disc.{place}.kernel": (4, 4, 0, width + place) for place in range(5)}
    return _drawn(Discriminator(discriminator_config(shapes)))


def _drawn(network: Generator | Discriminator) -> dict[str, np.ndarray]:
    random = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(to_keras(value).shape, generator=random).numpy()
        for name, value in keras_parameters(network).items()
    }


@dataclass(eq=False)
class Layer:
    """One layer of a graph.

    Attributes:
        kind: Keras' class.
        name: As Keras numbers it.
        inputs: What it is called on.
        weights: By Keras' names, `conv2d_1/kernel:0`, in Keras' order.
        ours: Our names for the same arrays.
        config: What `get_config` would give, as far as it matters here.
    """

    kind: str
    name: str
    inputs: list["Layer"]
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    ours: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


@dataclass
class Network:
    """A finished graph: all layers in Keras' order."""

    layers: list[Layer]

    @property
    def mapping(self) -> dict[str, str]:
        """Our names by Keras'."""
        return {keras: ours for layer in self.layers for keras, ours in layer.ours.items()}


class Process:
    """A Python process that builds networks: it numbers the layers of each class from 1.

    Args:
        arrays: By our names, in Keras' axis order.
        before: How many layers of each class were built before.
    """

    def __init__(self, arrays: Arrays, before: int = 0):
        self.arrays = arrays
        self.counts: Counter[str] = Counter()
        self.before = before

    def layer(self, kind: str, inputs: Sequence[Layer], place: str = "", **config: Any) -> Layer:
        """Create a layer; `place` is our name for it, where it has weights."""
        snake = SNAKES.get(kind, kind.lower())
        self.counts[snake] += 1
        name = f"{snake}_{self.before + self.counts[snake]}"
        layer = Layer(kind, name, list(inputs), config=config)
        roles = ("gamma", "beta") if kind == "InstanceNormalization" else ("kernel", "bias")
        for role in roles:
            if place and f"{place}.{role}" in self.arrays:
                layer.weights[f"{name}/{role}:0"] = self.arrays[f"{place}.{role}"]
                layer.ours[f"{name}/{role}:0"] = f"{place}.{role}"
        return layer

    def image(self, size: Sequence[int], channels: int) -> Layer:
        """Create an input."""
        return self.layer("InputLayer", [], batch_input_shape=[None, *size, channels])

    def block(self, features: Layer, place: str, down: bool = True, dropout: bool = False) -> Layer:
        """Create the layers of a block, in their order."""
        features = self.layer("LeakyReLU" if down else "Activation", [features])
        if down:
            features = self.layer("ZeroPadding2D", [features])
            features = self.layer("Conv2D", [features], place)
        else:
            features = self.layer("Conv2DTranspose", [features], place)
            features = self.layer("Cropping2D", [features])
        if f"{place}.gamma" in self.arrays:
            features = self.layer("InstanceNormalization", [features], place)
        return self.layer("Dropout", [features]) if dropout else features

    def encoder(self, inputs: Sequence[Layer], stack: str, levels: int) -> list[Layer]:
        """Create an encoder; return the last layer of every level."""
        features = inputs[0] if len(inputs) == 1 else self.layer("Concatenate", inputs)
        features = self.layer("Conv2D", [features], f"{stack}.0")
        found = [features]
        for level in range(1, levels):
            found.append(self.block(found[-1], f"{stack}.{level}"))
        return found

    def generator(
        self,
        size: tuple[int, int],
        transforms: int = 10,
        aggregation: str = "max",
        nested: bool = False,
        stn: bool = False,
    ) -> Network:
        """Build the authors' generator, with two streams or one as the arrays' names tell."""
        two = "enc_app.0.kernel" in self.arrays
        stack = "enc_app" if two else "enc"
        levels = sum(f"{stack}.{level}.kernel" in self.arrays for level in range(9))
        image, target_pose, other = (self.image(size, c) for c in (3, 18, 3))
        warp = (
            [self.layer("InputLayer", [], batch_input_shape=[None, transforms, 8])] if two else []
        )
        pose = self.image(size, 18)
        if two:
            app = self.encoder([image, pose], "enc_app", levels)
            still = self.encoder([target_pose], "enc_pose", levels)
            if nested:
                app, still = self.nest(app, [image, pose]), self.nest(still, [target_pose])
            locnet = [self.layer("Dense", [], f"stn.{n}") for n in range(3)] if stn else []
            skips = []
            for level, (moved, kept) in enumerate(zip(app, still, strict=True)):
                if level < 4 and stn:
                    moved = self.layer("SpatialTransformer", [*warp, moved])  # noqa: PLW2901
                    for dense in locnet:
                        moved.weights |= dense.weights
                elif level < 4:
                    moved = self.layer(  # noqa: PLW2901
                        "AffineTransformLayer",
                        [moved, *warp],
                        number_of_transforms=transforms,
                        aggregation_fn=aggregation,
                    )
                skips.append(self.layer("Concatenate", [moved, kept]))
        else:
            skips = self.encoder([image, pose, target_pose], "enc", levels)
        features = self.block(skips[-1], "dec.0", down=False, dropout=True)
        for place, skip in enumerate(skips[-2:0:-1], start=1):
            features = self.layer("Concatenate", [features, skip])
            features = self.block(features, f"dec.{place}", down=False, dropout=place < 3)
        features = self.layer("Concatenate", [features, skips[0]])
        features = self.layer("Activation", [features])
        features = self.layer("Conv2D", [features], f"dec.{levels - 1}")
        painted = self.layer("Activation", [features])
        inputs = [image, pose, other, target_pose, *warp]
        return Network(in_keras_order(inputs, [image, pose, painted, target_pose]))

    def nest(self, encoder: list[Layer], inputs: list[Layer]) -> list[Layer]:
        """Wrap an encoder into a model of its own; all its levels are that model's outputs."""
        model = self.layer("Model", inputs)
        for layer in in_keras_order(inputs, encoder):
            model.weights |= layer.weights
            model.ours |= layer.ours
        return [model] * len(encoder)

    def discriminator(self, size: tuple[int, int], kind: str = "call") -> Network:
        """Build the authors' discriminator."""
        images = [self.image(size, channels) for channels in (3, 18, 3, 18)]
        if kind == "warp":
            moved = self.layer("Concatenate", images[:2])
            moved = self.layer("Conv2D", [moved], "disc.source")
            moved = self.layer("AffineTransformLayer", [moved])
            features = self.layer("Concatenate", images[2:])
            features = self.layer("Conv2D", [features], "disc.0")
            features = self.layer("Concatenate", [features, moved])
        else:
            features = self.layer("Concatenate", images)
            features = self.layer("Conv2D", [features], "disc.0")
        for place in range(1, 5):
            if f"disc.{place}.kernel" in self.arrays:
                features = self.block(features, f"disc.{place}")
        if kind == "sim":
            features = self.layer("Dense", [features], "disc.head")
        features = self.layer("Activation", [features])
        return Network(in_keras_order(images, [self.layer("Flatten", [features])]))


def in_keras_order(inputs: Sequence[Layer], outputs: Sequence[Layer]) -> list[Layer]:
    """Sort a graph's layers as Keras 2.0.8 does (see this file's first lines)."""
    depths: dict[Layer, int] = {}

    def walk(layer: Layer, depth: int) -> None:
        # A dictionary keeps the place of its first entry: the order of the walk.
        if depth <= depths.get(layer, -1):
            return
        depths[layer] = depth
        for before in layer.inputs:
            walk(before, depth + 1)

    for output in outputs:
        walk(output, 0)
    for given in inputs:
        depths.setdefault(given, 0)
    met = {layer: index for index, layer in enumerate(depths)}
    return sorted(depths, key=lambda layer: (-depths[layer], met[layer]))


@dataclass(frozen=True)
class Style:
    """How a file is written.

    Attributes:
        whole: As `model.save` does, with architecture and optimizer; otherwise `save_weights`.
        piece: How many names one attribute holds; Keras cuts where 64,512 bytes are exceeded.
        text: Names as text of any length, as h5py writes strings, instead of bytes.
        version: Of Keras.
        backend: Of Keras.
    """

    whole: bool = False
    piece: int | None = None
    text: bool = False
    version: str = "2.0.8"
    backend: str = "tensorflow"


def write(path: Path, network: Network, style: Style = Style()) -> Path:
    """Write a network's weights.

    Args:
        path: The .h5 file.
        network: Its layers in Keras' order.
        style: See there.
    """
    with h5py.File(path, "w") as file:
        root = file
        if style.whole:
            file.attrs["keras_version"] = style.version.encode()
            file.attrs["backend"] = style.backend.encode()
            layers = [
                {"class_name": layer.kind, "name": layer.name, "config": layer.config}
                for layer in network.layers
            ]
            config = {"class_name": "Model", "config": {"name": "model_1", "layers": layers}}
            file.attrs["model_config"] = json.dumps(config).encode()
            moments = file.create_group("optimizer_weights")
            moments.attrs["weight_names"] = [b"Adam/iterations:0"]
            moments.create_dataset("Adam/iterations:0", data=np.float32(7))
            root = file.create_group("model_weights")
        _list(root, "layer_names", [layer.name for layer in network.layers], style)
        root.attrs["backend"] = style.backend.encode()
        root.attrs["keras_version"] = style.version.encode()
        for layer in network.layers:
            group = root.create_group(layer.name)
            _list(group, "weight_names", list(layer.weights), style)
            for name, array in layer.weights.items():
                dataset = group.create_dataset(name, array.shape, dtype=np.float32)
                dataset[:] = array
    return path


def _list(group: h5py.Group, name: str, values: list[str], style: Style) -> None:
    # Keras' lists of bytes became arrays of fixed length under the h5py of its day.
    encoded = values if style.text else np.array([value.encode() for value in values])
    if style.piece is None or not values:
        group.attrs[name] = encoded if values else []
        return
    for piece, start in enumerate(range(0, len(encoded), style.piece)):
        group.attrs[f"{name}{piece}"] = encoded[start : start + style.piece]
