"""Keras files as Keras lays them out are read to the bit; others are refused in one sentence."""

import sys
import zipfile

import numpy as np
import pytest

from deformgan.errors import InputError
from deformgan.models.keras_file import read_keras_file

h5py = pytest.importorskip("h5py", reason="needs the extra keras")

STYLES = {
    "save_weights": {},
    "save": {"whole": True},
    "names in pieces": {"piece": 5},
    "save, names in pieces": {"whole": True, "piece": 1},
    "text": {"text": True},
    "tf.keras": {"whole": True, "version": "2.2.4-tf"},
}


@pytest.fixture
def network(keras_layout):
    return keras_layout.Process(keras_layout.random_generator()).generator((128, 64))


@pytest.fixture
def file(keras_layout, network, tmp_path):
    return keras_layout.write(tmp_path / "weights.h5", network)


def refused(path) -> str:
    """Read a file that must be refused, and return the reason."""
    with pytest.raises(InputError) as caught:
        read_keras_file(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("nested", [False, True])
def test_every_array_comes_back_to_the_bit(keras_layout, tmp_path, style, nested):
    arrays = keras_layout.random_generator()
    network = keras_layout.Process(arrays).generator((128, 64), nested=nested)
    style = keras_layout.Style(**STYLES[style])
    file = read_keras_file(keras_layout.write(tmp_path / "weights.h5", network, style))
    assert file.names == [layer.name for layer in network.layers]
    assert file.version == style.version
    assert (file.config is not None) == style.whole
    found = {
        f"{layer.name}/{role}:0": array
        for layer in file.layers
        for role, array in layer.arrays.items()
    }
    expected = {name: a for layer in network.layers for name, a in layer.weights.items()}
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == np.float32
        assert np.array_equal(found[name], array)


def test_a_scope_that_tensorflow_renamed_belongs_to_its_layer(keras_layout, network, tmp_path):
    layer = next(layer for layer in network.layers if layer.name == "conv2d_3")
    layer.weights = {"conv2d_3_1/kernel:0": layer.weights["conv2d_3/kernel:0"]}
    file = read_keras_file(keras_layout.write(tmp_path / "weights.h5", network))
    (found,) = (layer for layer in file.layers if layer.name == "conv2d_3")
    assert found.paths == {"kernel": "/conv2d_3/conv2d_3_1/kernel:0"}


def test_half_precision_is_read_exactly(file):
    with h5py.File(file, "a") as opened:
        group = opened["conv2d_2"]
        half = group["conv2d_2/kernel:0"][()].astype(np.float16)
        del group["conv2d_2/kernel:0"]
        group["conv2d_2/kernel:0"] = half
    (found,) = (layer for layer in read_keras_file(file).layers if layer.name == "conv2d_2")
    assert np.array_equal(found.arrays["kernel"], half)


def test_without_h5py_the_extra_is_named(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert 'pip install "deformgan[keras]"' in refused(file)


def test_what_is_no_hdf5_file_is_refused(tmp_path):
    assert "does not exist" in refused(tmp_path / "absent.h5")
    assert "does not exist" in refused(tmp_path)
    for content in (b"", b"weights", b"\x80\x04\x95pickle." * 100):
        (tmp_path / "other.h5").write_bytes(content)
        assert "not an HDF5 file" in refused(tmp_path / "other.h5")


def test_keras_3_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"")
    assert "Keras 3 file" in refused(tmp_path / "model.keras")
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 21, 4), np.float32)
    assert "Keras 3" in refused(tmp_path / "model.weights.h5")


@pytest.mark.parametrize(
    ("style", "said"),
    [
        ({"version": "1.2.2"}, "Keras 1.2.2"),
        ({"version": "3.3.3"}, "Keras 3.3.3"),
        ({"backend": "theano"}, "backend theano"),
    ],
)
def test_other_versions_and_backends_lay_kernels_out_differently(
    keras_layout, network, tmp_path, style, said
):
    path = keras_layout.write(tmp_path / "weights.h5", network, keras_layout.Style(**style))
    assert said in refused(path)


def remove_version(file):
    del file.attrs["keras_version"]


def remove_names(file):
    del file.attrs["layer_names"]


def remove_group(file):
    del file["conv2d_4"]


def remove_array(file):
    del file["instance_normalization_3/instance_normalization_3/beta:0"]


def unlist_layer(file):
    names = file.attrs["layer_names"]
    file.attrs["layer_names"] = names[names != b"conv2d_4"]


def unlist_array(file):
    file["conv2d_1"].attrs["weight_names"] = np.array([b"conv2d_1/kernel:0"])


def list_twice(file):
    file["conv2d_1"].attrs["weight_names"] = np.array([b"conv2d_1/kernel:0"] * 2)


def spoil(value):
    def change(file):
        file["conv2d_5/conv2d_5/kernel:0"][3, 3, 2, 1] = value

    return change


def replace_array(dtype):
    def change(file):
        place = "conv2d_5/conv2d_5/kernel:0"
        shape = file[place].shape
        del file[place]
        file.create_dataset(place, shape, dtype)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (remove_version, "written by Keras unknown"),
        (remove_names, "lacks the attribute layer_names"),
        (remove_group, "lists the layer conv2d_4, but holds no group"),
        (remove_array, "beta:0 of instance_normalization_3 but does not hold it"),
        (unlist_layer, "holds /conv2d_4/conv2d_4/kernel:0, which its lists"),
        (unlist_array, "holds /conv2d_1/conv2d_1/bias:0, which its lists"),
        (list_twice, "kernel:0 of conv2d_1 twice"),
        (spoil(np.nan), "conv2d_5/kernel:0 holds numbers that are not finite"),
        (spoil(np.inf), "conv2d_5/kernel:0 holds numbers that are not finite"),
        (replace_array(np.int32), "not an array of 16 or 32 bit numbers"),
        (replace_array(np.float64), "not an array of 16 or 32 bit numbers"),
        # Allocated, and never written: HDF5 would hand out zeros.
        (replace_array(np.float32), "the numbers of /conv2d_5/conv2d_5/kernel:0 are missing"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(file, change, said):
    with h5py.File(file, "a") as opened:
        change(opened)
    assert said in refused(file)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_refused(file, share):
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert "damaged" in refused(file) or "not an HDF5 file" in refused(file)


def test_flipped_bytes_raise_nothing_but_a_sentence(file):
    content, whole = file.read_bytes(), read_keras_file(file)
    outcomes = {"refused": 0, "unharmed": 0, "changed": 0}
    for place in np.random.default_rng(0).integers(0, len(content), 60):
        damaged = bytearray(content)
        damaged[place : place + 64] = bytes(byte ^ 0xFF for byte in damaged[place : place + 64])
        file.write_bytes(damaged)
        try:
            read = read_keras_file(file)
        except InputError:
            outcomes["refused"] += 1
            continue
        same = all(
            np.array_equal(a.arrays[role], b.arrays[role])
            for a, b in zip(read.layers, whole.layers, strict=True)
            for role in b.arrays
        )
        outcomes["unharmed" if same else "changed"] += 1
    # Structure is checked. Of numbers HDF5 keeps no checksum, and of gaps nobody reads anything.
    assert all(outcomes.values()), outcomes


def test_a_flipped_structure_is_called_damaged(file):
    content = bytearray(file.read_bytes())
    for signature in (b"TREE", b"HEAP", b"SNOD"):
        damaged = content.replace(signature, bytes(byte ^ 0xFF for byte in signature))
        file.write_bytes(damaged)
        assert "damaged" in refused(file)
