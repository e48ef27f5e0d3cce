"""Sentences instead of dashes, and files that are read in a process of their own."""

import json

import numpy as np
import pytest

from deformgan.errors import InputError
from deformgan.models import keras_child
from deformgan.models.keras_file import KerasFile, KerasLayer
from deformgan.pose_formats import read_single, split_spec


@pytest.mark.parametrize(
    ("extractor", "said"),
    [
        ("one_camera/v.npz", "every match is by the query's own camera"),
        ("b8.onnx", "takes 8 images at a time; 1 or any number is needed"),
    ],
)
def test_15_what_cannot_be_scored_is_a_sentence(case, run, extractor, said):
    folder = case("15-messages")
    data = folder / "one_camera"
    code, _, error = run("reid", "evaluate", "--extractor", folder / extractor, "--data", data)
    assert code == 2
    assert said in error


def test_12_hidden_files_are_no_photos(case, run):
    folder = case("12-appledouble")
    words = ["--extractor", folder / "v.npz", "--data", folder / "test"]
    code, printed, error = run("reid", "evaluate", *words)
    assert code == 0, error
    assert "rank1" in printed


@pytest.mark.parametrize("name", ["a:b.jpg", "a", "x:y:z", ":", "a.jpg:"])
@pytest.mark.parametrize("file", ["poses.json", "po:ses.json", "c:p.json"])
def test_names_and_files_may_contain_colons(tmp_path, file, name):
    path = tmp_path / file
    poses = {name: {"nose": [3, 4]}, "other": {"nose": [5, 6]}}
    path.write_text(json.dumps({"skeleton": "openpose18", "poses": poses}))
    assert split_spec(f"{path}:{name}") == (path, name)
    assert read_single(f"{path}:{name}").pose.joints[0, 0].tolist() == [3, 4]


@pytest.mark.parametrize(
    "name",
    ["segv.h5", pytest.param("hang.h5", marks=pytest.mark.slow)],  # seconds of a processor
)
def test_22_a_damaged_file_does_not_harm_the_command(case, run, tmp_path, monkeypatch, name):
    monkeypatch.setattr(keras_child, "_PROCESSOR_SECONDS", 4)
    file = case("22-damaged-keras") / name
    code, _, error = run("convert", file, "--out", tmp_path / "c.safetensors")
    assert code == 2
    assert str(file) in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "program",
    [
        "import os; os.kill(os.getpid(), 11)",
        "raise SystemExit(3)",
        "print('no answer')",
        "import sys; sys.stdout.buffer.write(b'\\x02\\0\\0\\0\\0\\0\\0\\0{}')",
        pytest.param("while True: pass", marks=pytest.mark.slow),
        "x = [bytes(1 << 28) for _ in range(100)]",
    ],
)
def test_a_process_that_does_not_answer_is_an_error_of_the_file(tmp_path, monkeypatch, program):
    limit = "import sys; from deformgan.models.keras_child import _limit; _limit(2, 3 << 30); "
    monkeypatch.setattr(keras_child, "_PROGRAM", f"{limit}\n{program}")
    (tmp_path / "a.h5").write_bytes(b"x")
    with pytest.raises(InputError, match=r"a\.h5 is a damaged HDF5 file"):
        keras_child.read_keras_file_apart(tmp_path / "a.h5")


def test_what_is_read_comes_back_as_it_was():
    arrays = {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.float32([1])}
    layer = KerasLayer("conv", arrays, {"kernel": "/a", "bias": "/b"})
    file = KerasFile([layer, layer], ["conv", "input"], {"a": [1, None]}, "2.1")
    back = keras_child._unpack(keras_child._pack(file))
    assert (back.names, back.config, back.version) == (file.names, file.config, file.version)
    for one in back.layers:
        assert one.paths == layer.paths
        for role, array in arrays.items():
            np.testing.assert_array_equal(one.arrays[role], array)
