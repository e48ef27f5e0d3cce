"""FastestDet's adapter on small ONNX networks whose answers are known."""

import numpy as np
import pytest

from deformgan.detectors.fastestdet import CHANNELS, GREY, FastestDet
from deformgan.errors import InputError

onnx = pytest.importorskip("onnx", reason="builds small networks with onnx")
pytest.importorskip("onnxruntime", reason="needs the extra pose")

BLUE, GREEN, RED = range(3)  # of the network's input


def colours(path, objectness=BLUE, person=RED, side=8, channels=CHANNELS, constant=0.0, batch=1):
    """Save a network whose objectness and person score are two colours of the picture.

    Every other channel of its output is `constant`.
    """
    make, floats = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.zeros((channels, 3, 1, 1), np.float32)
    bias = np.full(channels, constant, np.float32)
    for channel, colour in ((0, objectness), (5, person)):
        weight[channel, colour], bias[channel] = 1, 0
    graph = make.make_graph(
        [make.make_node("Conv", ["picture", "weight", "bias"], ["cells"])],
        "network",
        [make.make_tensor_value_info("picture", floats, [batch, 3, side, side])],
        [make.make_tensor_value_info("cells", floats, [batch, channels, side, side])],
        [
            onnx.numpy_helper.from_array(weight, "weight"),
            onnx.numpy_helper.from_array(bias, "bias"),
        ],
    )
    opset = [make.make_opsetid("", 17)]
    onnx.save(make.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def plain(red, green, blue, size=(8, 8)):
    return np.full((*size, 3), (red, green, blue), np.uint8)


def test_scores_by_objectness_and_class_of_people(tmp_path):
    detector = FastestDet(colours(tmp_path / "x.onnx", constant=1.0))
    expected = (51 / 255) ** 0.6 * (204 / 255) ** 0.4
    assert detector(plain(204, 7, 51)) == pytest.approx(expected, abs=1e-6)
    assert detector(plain(0, 255, 255)) == 0


def test_takes_the_best_cell(tmp_path):
    image = plain(51, 0, 51)
    image[3, 6] = (102, 0, 102)
    image[5, 1] = (255, 0, 0)  # a person's colour and no object
    assert FastestDet(colours(tmp_path / "x.onnx"))(image) == pytest.approx(0.4, abs=1e-6)


@pytest.mark.parametrize("size", [(8, 4), (3, 8)])
def test_pads_to_a_square_with_grey_instead_of_stretching(tmp_path, size):
    detector = FastestDet(colours(tmp_path / "x.onnx"))
    assert detector(plain(0, 0, 0, size)) == pytest.approx(GREY / 255, abs=1e-6)
    assert detector(plain(0, 0, 0, (8, 8))) == 0


def test_scales_pictures_of_other_sizes_to_its_input(tmp_path):
    detector = FastestDet(colours(tmp_path / "x.onnx"))
    image = plain(102, 0, 102)
    large = image.repeat(5, axis=0).repeat(5, axis=1)
    assert detector(large) == pytest.approx(detector(image), abs=1e-6)


@pytest.mark.parametrize("options", [{"channels": 84}, {"batch": 2}])
def test_a_network_of_another_kind_is_refused(tmp_path, options):
    with pytest.raises(InputError, match="not a FastestDet model"):
        FastestDet(colours(tmp_path / "x.onnx", **options))


def test_networks_of_other_people_and_missing_files_are_refused(tmp_path, outside_weights):
    with pytest.raises(InputError, match="not a FastestDet model"):
        FastestDet(outside_weights / "osnet_x0_25_msmt17.onnx")
    with pytest.raises(InputError, match="does not exist"):
        FastestDet(tmp_path / "x.onnx")
