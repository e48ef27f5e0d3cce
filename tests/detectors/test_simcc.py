"""The SimCC adapter on small ONNX networks whose answers are known."""

import sys

import numpy as np
import pytest
import torch

from deformgan.detectors import simcc
from deformgan.detectors.simcc import SimCC
from deformgan.errors import InputError
from deformgan.pose_formats.coco_json import COCO17
from deformgan.skeletons.openpose18 import OPENPOSE18

onnx = pytest.importorskip("onnx", reason="builds small networks with onnx")
pytest.importorskip("onnxruntime", reason="needs the extra pose")

HEIGHT, WIDTH = 64, 48


def numbers(name, values, dtype=np.float32):
    return onnx.numpy_helper.from_array(np.asarray(values, dtype), name)


def save(path, nodes, constants, outputs, batch=1, size=(HEIGHT, WIDTH)):
    make, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = make.make_graph(
        nodes,
        "network",
        [make.make_tensor_value_info("input", floats, [batch, 3, *size])],
        [make.make_tensor_value_info(name, floats, None) for name in outputs],
        constants,
    )
    opset = [make.make_opsetid("", 17)]
    onnx.save(make.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def brightest(path, joints=17, ratio=2, outputs=("simcc_x", "simcc_y"), **options):
    """Save a network: joint j is where channel j % 3 of the picture is brightest.

    It undoes the normalization first, so the scores are brightness in [0, 1].
    """
    make = onnx.helper
    nodes = [
        make.make_node("Mul", ["input", "std"], ["scaled"]),
        make.make_node("Add", ["scaled", "mean"], ["light"]),
        make.make_node("Gather", ["light", "channels"], ["joints"], axis=1),
        make.make_node("ReduceMax", ["joints"], ["columns"], axes=[2], keepdims=0),
        make.make_node("ReduceMax", ["joints"], ["rows"], axes=[3], keepdims=0),
    ]
    nodes += [
        make.make_node(
            "Resize",
            [short, "", "ratio"],
            [long],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        for short, long in (("columns", "simcc_x"), ("rows", "simcc_y"))
    ]
    constants = [
        numbers("std", np.array([58.395, 57.12, 57.375]).reshape(1, 3, 1, 1) / 255),
        numbers("mean", np.array([123.675, 116.28, 103.53]).reshape(1, 3, 1, 1) / 255),
        numbers("channels", [joint % 3 for joint in range(joints)], np.int64),
        numbers("ratio", [1, 1, ratio]),
    ]
    return save(path, nodes, constants, outputs, **options)


def constant(path, columns, rows):
    """Save a network that says the same of every picture."""
    make = onnx.helper
    nodes = [
        make.make_node("ReduceSum", ["input"], ["sum"], keepdims=0),
        make.make_node("Mul", ["sum", "zero"], ["nothing"]),
        make.make_node("Add", ["columns", "nothing"], ["simcc_x"]),
        make.make_node("Add", ["rows", "nothing"], ["simcc_y"]),
    ]
    constants = [numbers("zero", 0), numbers("columns", columns), numbers("rows", rows)]
    return save(path, nodes, constants, ("simcc_x", "simcc_y"))


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_joints_are_where_the_best_column_and_row_are(tmp_path, ratio):
    random = np.random.default_rng(ratio)
    columns = random.random((1, 17, ratio * WIDTH))
    rows = random.random((1, 17, ratio * HEIGHT))
    rows[0, 3] = -1  # the lower of both scores counts, and none is below 0
    rows[0, 4] *= 0.1
    found = SimCC(constant(tmp_path / "x.onnx", columns, rows), joint_score=0.3)(
        np.zeros((100, 100, 3), np.uint8), (20.0, 30.0, 44.0, 62.0)
    )
    # 1.25 times the box, which has the network's shape already: 30x40 pixels from (17, 26).
    for place, name in enumerate(COCO17):
        joint = OPENPOSE18.index(name)
        x = 17 + (columns[0, place].argmax() / ratio + 0.5) * 30 / WIDTH
        y = 26 + (rows[0, place].argmax() / ratio + 0.5) * 40 / HEIGHT
        score = max(0.0, min(columns[0, place].max(), rows[0, place].max()))
        torch.testing.assert_close(
            found.pose.joints[0, joint], torch.tensor([x, y], dtype=torch.float32)
        )
        assert found.scores[joint].item() == pytest.approx(score, abs=1e-6)
        assert found.pose.visible[0, joint].item() == (score >= 0.3)


@pytest.mark.parametrize("box", [None, (-20.0, -15.0, 70.0, 99.0), (10.0, 20.0, 55.0, 60.0)])
@pytest.mark.parametrize("batch", [1, "batch"])
def test_finds_what_is_bright_in_every_colour(tmp_path, box, batch):
    dots = {0: (20, 30, 250), 1: (44, 41, 200), 2: (31, 52, 150)}  # column, row, brightness
    photo = np.zeros((80, 64, 3), np.uint8)
    for channel, (x, y, light) in dots.items():
        photo[y - 2 : y + 3, x - 2 : x + 3, channel] = light // 2
        photo[y - 1 : y + 2, x - 1 : x + 2, channel] = light
    found = SimCC(brightest(tmp_path / "x.onnx", batch=batch))(photo, box)
    for place, name in enumerate(COCO17):
        joint = OPENPOSE18.index(name)
        x, y, _ = dots[place % 3]
        # A dot is three pixels wide; it is found at its first brightest pixel.
        assert (found.pose.joints[0, joint] - torch.tensor([x, y])).abs().max() < 2.5


def test_colours_reach_the_network_as_it_learnt_them(tmp_path):
    photo = np.full((40, 30, 3), (230, 120, 25), np.uint8)
    found = SimCC(brightest(tmp_path / "x.onnx"))(photo)
    for place, name in enumerate(COCO17):
        score = found.scores[OPENPOSE18.index(name)].item()
        assert score == pytest.approx((230, 120, 25)[place % 3] / 255, abs=1e-4)


def test_halpe_begins_with_the_joints_of_coco(tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8)
    of_coco = SimCC(brightest(tmp_path / "17.onnx", joints=17))(photo)
    of_halpe = SimCC(brightest(tmp_path / "26.onnx", joints=26))(photo)
    assert torch.equal(of_coco.pose.joints, of_halpe.pose.joints)
    assert torch.equal(of_coco.scores, of_halpe.scores)


def test_outputs_may_come_in_either_order(tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8)
    usual = SimCC(brightest(tmp_path / "a.onnx"))(photo)
    swapped = SimCC(brightest(tmp_path / "b.onnx", outputs=("simcc_y", "simcc_x")))(photo)
    assert torch.equal(usual.pose.joints, swapped.pose.joints)


def test_decoding_is_that_of_mmpose():
    # By hand: the third of eight columns is pixel 1.0 of four, the last of six rows pixel 2.5 of 3.
    columns, rows = np.zeros((1, 8), np.float32), np.zeros((1, 6), np.float32)
    columns[0, 2], rows[0, 5] = 0.9, 0.7
    shares, scores = simcc.decode(columns, rows, (3, 4))
    assert shares.tolist() == [[pytest.approx((1.0 + 0.5) / 4), pytest.approx((2.5 + 0.5) / 3)]]
    assert scores.tolist() == [pytest.approx(0.7)]


def test_other_joints_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"has 21 joints; .* 17 .* 26"):
        SimCC(brightest(tmp_path / "x.onnx", joints=21))


@pytest.mark.parametrize(
    "options",
    [
        {"outputs": ("simcc_x",)},
        {"outputs": ("columns", "simcc_y")},  # not equally fine
        {"outputs": ("light", "simcc_y")},
        {"size": ("height", "width")},
        {"batch": 2},
    ],
)
def test_a_network_of_another_kind_is_refused(tmp_path, options):
    with pytest.raises(InputError, match="not a SimCC model"):
        SimCC(brightest(tmp_path / "x.onnx", **options))


@pytest.mark.parametrize("name", ["FastestDet.onnx", "osnet_x0_25_msmt17.onnx"])
def test_networks_of_other_people_are_refused_in_silence(outside_weights, name, capfd):
    with pytest.raises(InputError, match="not a SimCC model"):
        SimCC(outside_weights / name)
    assert capfd.readouterr().err == ""


def test_a_file_of_another_kind_is_refused_in_silence(tmp_path, capfd):
    (tmp_path / "x.onnx").write_bytes(b"not a model" * 10)
    with pytest.raises(InputError, match="not an ONNX model"):
        SimCC(tmp_path / "x.onnx")
    assert capfd.readouterr().err == ""


def test_a_missing_file_or_library_is_said(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="simcc:PATH"):
        SimCC(None)
    with pytest.raises(InputError, match="does not exist"):
        SimCC(tmp_path / "x.onnx")
    (tmp_path / "x.onnx").touch()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"deformgan\[pose\]"):
        SimCC(tmp_path / "x.onnx")
