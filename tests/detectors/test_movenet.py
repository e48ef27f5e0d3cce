"""MoveNet's adapter around a network that says what the test wants."""

import numpy as np
import pytest
import torch

from deformgan.detectors import movenet
from deformgan.errors import InputError
from deformgan.pose_formats.coco_json import COCO17
from deformgan.skeletons.openpose18 import OPENPOSE18

ANSWER = (1, 1, 17, 3)


@pytest.fixture
def adapter(monkeypatch, tmp_path):
    def make(network):
        monkeypatch.setattr(movenet, "open_tflite", lambda name, path: network)
        return movenet.MoveNet(tmp_path / "x.tflite", joint_score=0.5)

    return make


def test_reads_rows_before_columns_and_maps_them_back_from_the_square(adapter, tflite_network):
    found = np.random.default_rng(0).random((17, 3))
    network = tflite_network(192, np.uint8, [(ANSWER, found)])
    image = np.random.default_rng(1).integers(0, 256, (60, 40, 3), dtype=np.uint8)
    detection = adapter(network)(image, (5.0, -10.0, 25.0, 30.0))
    # The square around the box: 40 pixels from (-5, -10).
    for place, name in enumerate(COCO17):
        joint = OPENPOSE18.index(name)
        y, x, score = found[place]
        expected = torch.tensor([-5 + 40 * x, -10 + 40 * y], dtype=torch.float32)
        torch.testing.assert_close(detection.pose.joints[0, joint], expected)
        assert detection.scores[joint].item() == pytest.approx(score)
        assert detection.pose.visible[0, joint].item() == (score >= 0.5)
    # The square begins 4.5 pixels left of the image and 9.5 above it.
    assert (network.seen[0, :42] == 0).all()
    assert (network.seen[0, :, :18] == 0).all()
    assert network.seen[0, 60:, 30:].mean() > 100


@pytest.mark.parametrize(
    ("dtype", "shape"), [(np.uint8, (1, 6, 56)), (np.float32, ANSWER), (np.uint8, (1, 1, 6, 56))]
)
def test_another_network_is_refused(adapter, tflite_network, dtype, shape):
    with pytest.raises(InputError, match="not a MoveNet single-pose model"):
        adapter(tflite_network(192, dtype, [(shape, 0)]))
