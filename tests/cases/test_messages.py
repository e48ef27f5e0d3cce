"""Sentences instead of dashes, and files that are read in a process of their own."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.errors import InputError
from deformgan.evaluation.identity import Extractor
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


def onnx_extractor(path, batch, fixed=False):
    """Write a network that averages the pixels of 3x16x8 images.

    Args:
        path: The file.
        batch: Batch axis of its input: a number, a name, or None for nothing.
        fixed: Whether the graph takes one image whatever the axis says.
    """
    onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")
    make = onnx.helper
    shape = make.make_tensor("shape", onnx.TensorProto.INT64, [2], [1 if fixed else -1, 384])
    nodes = [make.make_node("Reshape", ["images", "shape"], ["flat"])]
    nodes += [make.make_node("Slice", ["flat", "zero", "ten", "one"], ["vectors"])]
    numbers = [
        make.make_tensor(name, onnx.TensorProto.INT64, [1], [value])
        for name, value in (("zero", 0), ("ten", 10), ("one", 1))
    ]
    kind = onnx.TensorProto.FLOAT
    graph = make.make_graph(
        nodes,
        "extractor",
        [make.make_tensor_value_info("images", kind, [batch, 3, 16, 8])],
        [make.make_tensor_value_info("vectors", kind, [None, 10])],
        [shape, *numbers],
    )
    versions = [make.make_opsetid("", 17)]
    onnx.save(make.make_model(graph, opset_imports=versions, ir_version=8), path)
    return path


@pytest.mark.parametrize("batch", [1, "batch", None])
@pytest.mark.parametrize("fixed", [False, True])
def test_15_extractors_of_one_or_any_number_of_images(tmp_path, batch, fixed):
    pytest.importorskip("onnxruntime", reason="needs the extra 'pose'")
    images = torch.randint(0, 256, (5, 3, 16, 8), dtype=torch.uint8)
    extractor = Extractor(onnx_extractor(tmp_path / "e.onnx", batch, fixed))
    found = extractor(images)
    assert found.shape == (5, 10)
    torch.testing.assert_close(found, torch.cat([extractor(image[None]) for image in images]))


@pytest.mark.parametrize("batch", [2, 8, 64])
def test_15_extractors_of_many_images_at_a_time_are_refused(tmp_path, batch):
    pytest.importorskip("onnxruntime", reason="needs the extra 'pose'")
    with pytest.raises(InputError, match=f"takes {batch} images at a time; 1 or any number"):
        Extractor(onnx_extractor(tmp_path / "e.onnx", batch))


@pytest.mark.parametrize(
    ("query", "gallery", "said"),
    [
        (["0001_c1"], ["0001_c1"], "by the query's own camera"),
        (["0001_c1", "0002_c2"], ["0001_c1", "0002_c2"], "by the query's own camera"),
        (["0001_c3", "0002_c3"], ["0001_c3", "0002_c3", "0003_c1"], "by the query's own camera"),
        (["0001_c1"], ["0002_c2"], "no photo of the gallery shows the person of a query"),
        (["0001_c1"], ["-1_c2"], "no photo of the gallery shows the person of a query"),
        (["0001_c1"], ["0000_c2"], "no photo of the gallery shows the person of a query"),
    ],
)
def test_15_what_nothing_matches_is_a_sentence(run, tmp_path, query, gallery, said):
    names = []
    for folder, who in (("q", query), ("g", gallery)):
        (tmp_path / folder).mkdir()
        for number, start in enumerate(who):
            name = f"{start}s1_{number:06d}_0{'qg'.index(folder)}.png"
            Image.new("RGB", (8, 16)).save(tmp_path / folder / name)
            names.append(name)
    vectors = np.eye(len(names), 8, dtype=np.float32) + 0.1
    np.savez(tmp_path / "v.npz", names=np.array(names), vectors=vectors)
    words = ["--query", tmp_path / "q", "--gallery", tmp_path / "g", "--json", tmp_path / "r.json"]
    code, _, error = run("reid", "evaluate", "--extractor", tmp_path / "v.npz", *words)
    assert code == 2
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "r.json").exists()
