"""The layers of a Keras file find their names by numbers, order and shapes, or not at all."""

import json

import numpy as np
import pytest
import torch

from deformgan.errors import InputError
from deformgan.models.discriminator import Discriminator
from deformgan.models.generator import Generator
from deformgan.models.keras_file import KerasFile, KerasLayer, read_keras_file
from deformgan.models.keras_names import name_arrays
from deformgan.models.keras_weights import (
    discriminator_config,
    generator_config,
    keras_parameters,
    load_keras_arrays,
    to_keras,
)
from deformgan.verify.golden import Golden
from deformgan.verify.networks import NetworkInputs
from deformgan.verify.tolerances import LAYERS


def in_memory(network) -> KerasFile:
    """Return the arrays that a network's Keras file would contain."""
    layers = []
    for layer in network.layers:
        by_layer: dict[str, KerasLayer] = {}
        for name, array in layer.weights.items():
            owner, role = name.removesuffix(":0").split("/")
            entry = by_layer.setdefault(owner, KerasLayer(owner, {}, {}))
            entry.arrays[role], entry.paths[role] = array, name
        layers += by_layer.values()
    return KerasFile(layers, [layer.name for layer in network.layers], None, "2.0.8")


def convolutions(network) -> list[str]:
    return [
        ours.removesuffix(".kernel")
        for layer in network.layers
        for keras, ours in layer.ours.items()
        if keras.startswith("conv2d_") and "transpose" not in keras and ours.endswith("kernel")
    ]


def test_keras_lists_the_two_streams_level_by_level(keras_layout):
    """The oracle of all that follows: an order computed from the graph, as Keras does."""
    network = keras_layout.Process(keras_layout.random_generator()).generator((128, 64))
    stacks = [f"{stack}.{level}" for level in range(6) for stack in ("enc_app", "enc_pose")]
    assert convolutions(network) == [*stacks, "dec.5"]
    numbers = [layer.name for layer in network.layers if layer.kind == "Conv2D"]
    assert numbers[:5] == ["conv2d_1", "conv2d_7", "conv2d_2", "conv2d_8", "conv2d_3"]


@pytest.mark.parametrize("before", [0, 5, 96])  # 6 is followed by 10, 97 by 100
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("streams", "levels"), [(2, 6), (2, 7), (1, 6), (1, 7)])
def test_every_array_of_a_generator_finds_its_name(keras_layout, streams, levels, nested, before):
    arrays = keras_layout.random_generator(streams, levels)
    process = keras_layout.Process(arrays, before)
    network = process.generator((128, 64), nested=nested)
    named = name_arrays(in_memory(network))
    assert named.network == "generator"
    assert named.arrays.keys() == arrays.keys()
    assert {path: name for name, path in named.paths.items()} == network.mapping
    for name, array in arrays.items():
        assert named.arrays[name] is array


def test_every_array_of_a_discriminator_finds_its_name(keras_layout):
    arrays = keras_layout.random_discriminator()
    # In the authors' processes the generator is built first.
    named = name_arrays(in_memory(keras_layout.Process(arrays, 13).discriminator((128, 64))))
    assert named.network == "discriminator"
    assert named.arrays.keys() == arrays.keys()
    assert all(named.arrays[name] is array for name, array in arrays.items())


@pytest.mark.parametrize("key", ["128x64", "256x256"])
def test_a_named_discriminator_judges_as_the_authors_does(keras_layout, golden, tmp_path, key):
    arrays = dict(np.load(golden / f"net/disc_{key}_weights.npz"))
    process = keras_layout.Process(arrays, before=13)
    path = keras_layout.write(tmp_path / "d.h5", process.discriminator((128, 64)))
    named = name_arrays(read_keras_file(path))
    discriminator = Discriminator(discriminator_config(named.shapes))
    load_keras_arrays(discriminator, named.arrays)
    inputs = NetworkInputs(Golden(golden), key, torch.float32)
    maps = (inputs.source_heatmaps, inputs.target_heatmaps)
    with torch.no_grad():
        logits = discriminator.judge(inputs.source, maps[0], inputs.target, maps[1])[-1]
    expected = np.load(golden / f"net/disc_{key}_outputs.npz")["real.out"]
    found = torch.sigmoid(logits.flatten(1)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=LAYERS[key])


def test_the_full_size_networks_of_the_authors_are_found_by_their_shapes(keras_layout, golden):
    listed = json.loads((golden / "net/full_size_shapes.json").read_text())
    for model, described in listed.items():
        arrays = {
            # No memory behind: 61 million zeros are one zero seen from everywhere.
            name: np.broadcast_to(np.float32(0), shape)
            for name, shape in described["weights"].items()
        }
        process = keras_layout.Process(arrays)
        kind = model.partition("_")[0]
        named = name_arrays(in_memory(getattr(process, kind)((128, 64))))
        assert named.network == kind
        assert {name: list(shape) for name, shape in named.shapes.items()} == described["weights"]
        assert sum(a.size for a in named.arrays.values()) == described["total_params"]


def refused(file: KerasFile) -> str:
    with pytest.raises(InputError) as caught:
        name_arrays(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def file(keras_layout) -> KerasFile:
    return in_memory(keras_layout.Process(keras_layout.random_generator()).generator((128, 64)))


def find(file, name) -> int:
    return next(index for index, layer in enumerate(file.layers) if layer.name == name)


def rename(file, old, new):
    layer = file.layers[find(file, old)]
    file.layers[find(file, old)] = KerasLayer(new, layer.arrays, layer.paths)


def test_a_missing_or_extra_layer_is_counted(file):
    extra = KerasLayer("conv2d_14", {"kernel": np.zeros((4, 4, 4, 4), np.float32)}, {"kernel": "x"})
    file.layers.append(extra)
    assert "14 conv2d, 5 conv2d_transpose and 13 instance_normalization" in refused(file)
    file.layers.remove(extra)
    del file.layers[find(file, "instance_normalization_7")]
    assert "13 conv2d, 5 conv2d_transpose and 12 instance_normalization" in refused(file)


@pytest.mark.parametrize("pair", [("conv2d_4", "conv2d_10"), ("conv2d_3", "conv2d_4")])
def test_numbers_that_contradict_the_files_order_are_no_guess(file, pair):
    rename(file, pair[0], "x")
    rename(file, pair[1], pair[0])
    rename(file, "x", pair[1])
    assert "contradict their order" in refused(file)


def test_the_same_number_twice_is_no_order(file):
    rename(file, "instance_normalization_2", "instance_normalization_6")
    assert "Two instance_normalization layers have the same number" in refused(file)


def test_a_layer_of_another_kind_is_named(file):
    rename(file, "instance_normalization_2", "batch_normalization_2")
    assert "The layer batch_normalization_2 has weights" in refused(file)


@pytest.mark.parametrize(
    ("layer", "role", "shape"),
    [
        ("conv2d_3", "kernel", (4, 4, 5, 7)),
        ("conv2d_9", "kernel", (4, 4, 5, 7)),
        ("conv2d_7", "kernel", (3, 3, 17, 4)),
        ("conv2d_13", "kernel", (3, 3, 16, 4)),
        ("conv2d_transpose_2", "kernel", (4, 4, 9, 5)),
        ("conv2d_3", "kernel", (4, 5, 6)),
        ("conv2d_1", "bias", (5,)),
        ("instance_normalization_4", "gamma", (8,)),  # a norm of each channel
    ],
)
def test_a_wrong_shape_is_named_with_its_array(file, layer, role, shape):
    file.layers[find(file, layer)].arrays[role] = np.zeros(shape, np.float32)
    said = refused(file)
    assert " has shape (" in said
    assert "must have (" in said or "four axes" in said


def test_an_array_too_many_or_too_few_in_a_layer_is_named(file):
    bias = file.layers[find(file, "conv2d_1")].arrays.pop("bias")
    assert "lacks the arrays that are called enc_app.0.bias here" in refused(file)
    file.layers[find(file, "conv2d_1")].arrays["bias"] = bias
    for layer in ("conv2d_2", "instance_normalization_1"):
        arrays, paths = file.layers[find(file, layer)].arrays, file.layers[find(file, layer)].paths
        arrays["bias"], paths["bias"] = bias, f"{layer}/bias:0"
        assert f"{layer}/bias:0 is unexpected" in refused(file)
        del arrays["bias"]
    del file.layers[find(file, "conv2d_5")].arrays["kernel"]
    assert "conv2d_5 lacks its kernel" in refused(file)


@pytest.mark.parametrize(
    ("streams", "first", "said"),
    [
        (2, {"enc_pose": 21}, "a background image"),
        (2, {"enc_app": 6, "enc_pose": 3}, "stick figures"),
        (2, {"enc_app": 3}, "the source's pose is not used"),
        (1, {"enc": 9}, "stick figures"),
        (1, {"enc": 21}, "the source's pose is not used"),
    ],
)
def test_other_inputs_of_the_authors_generator_are_named(keras_layout, streams, first, said):
    arrays = keras_layout.random_generator(streams)
    for stack, channels in first.items():
        arrays[f"{stack}.0.kernel"] = np.zeros((3, 3, channels, 4), np.float32)
    assert said in refused(in_memory(keras_layout.Process(arrays).generator((128, 64))))


def test_the_authors_learned_transform_is_named(keras_layout):
    arrays = keras_layout.random_generator()
    for place, shape in enumerate([(72, 64), (64, 32), (32, 6)]):
        arrays[f"stn.{place}.kernel"] = np.zeros(shape, np.float32)
        arrays[f"stn.{place}.bias"] = np.zeros(shape[1], np.float32)
    network = keras_layout.Process(arrays).generator((128, 64), stn=True)
    assert sum(layer.kind == "SpatialTransformer" for layer in network.layers) == 4
    assert "stn" in refused(in_memory(network))


@pytest.mark.parametrize(
    ("kind", "channels", "said"),
    [
        ("call", 45, "a background image"),
        ("call", 24, "the source's pose is not used"),
        ("warp", 21, "disc_type is warp"),
        ("sim", 21, "disc_type is sim"),
    ],
)
def test_other_discriminators_of_the_authors_are_named(keras_layout, kind, channels, said):
    arrays = keras_layout.random_discriminator()
    arrays["disc.0.kernel"] = np.zeros((4, 4, channels, 4), np.float32)
    if kind == "warp":
        arrays["disc.source.kernel"] = arrays["disc.0.kernel"]
    if kind == "sim":
        del arrays["disc.4.kernel"]
        arrays["disc.head.kernel"] = np.zeros((1, 1), np.float32)
    assert said in refused(in_memory(keras_layout.Process(arrays).discriminator((128, 64), kind)))


def test_the_networks_shapes_are_those_of_ours(keras_layout):
    """Guards the helper: what it draws is what our networks have."""
    arrays = keras_layout.random_generator()
    network = Generator(generator_config({name: a.shape for name, a in arrays.items()}))
    found = {name: tuple(to_keras(v).shape) for name, v in keras_parameters(network).items()}
    assert found == {name: a.shape for name, a in arrays.items()}
