"""BlazePose's adapter around a network that says what the test wants."""

import math

import numpy as np
import pytest
import torch

from deformgan.detectors import blazepose
from deformgan.errors import InputError
from deformgan.pose_formats.coco_json import COCO17
from deformgan.skeletons.openpose18 import OPENPOSE18

# Where MediaPipe's published topology has them; landmarks between are of the face and the hands.
PUBLISHED = {
    "nose": 0,
    "left_eye": 2,
    "right_eye": 5,
    "left_ear": 7,
    "right_ear": 8,
    **{
        f"{side}_{joint}": 11 + 2 * row + (side == "right")
        for row, joint in enumerate(
            ["shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle"]
        )
        for side in ("left", "right")
    },
}


@pytest.fixture
def adapter(monkeypatch, tmp_path):
    def make(network, joint_score=0.5):
        monkeypatch.setattr(blazepose, "open_tflite", lambda name, path: network)
        return blazepose.BlazePose(tmp_path / "x.tflite", joint_score=joint_score)

    return make


@pytest.fixture
def network(tflite_network):
    """Return a function that makes a landmark network."""

    def make(landmarks, presence=1.0):
        maps = [((1, 256, 256, 1), 0), ((1, 64, 64, 39), 0), ((1, 117), 0)]
        outputs = [((1, 195), landmarks.reshape(1, -1)), ((1, 1), presence), *maps]
        return tflite_network(256, np.float32, outputs)

    return make


def test_reads_every_joint_from_its_landmark(adapter, network):
    random = np.random.default_rng(0)
    landmarks = random.random((39, 5)) * [256, 256, 1, 8, 8] - [0, 0, 0, 4, 4]
    photo = np.zeros((90, 70, 3), np.uint8)
    found = adapter(network(landmarks, presence=0.8))(photo, (10.0, 0.0, 50.0, 80.0))
    # A square around the box, enlarged: 108 pixels from (-24, -14).
    for name in COCO17:
        joint = OPENPOSE18.index(name)
        x, y, _, logit, _ = landmarks[PUBLISHED[name]]
        score = 0.8 / (1 + math.exp(-logit))
        place = torch.tensor([-24 + 108 * x / 256, -14 + 108 * y / 256], dtype=torch.float32)
        torch.testing.assert_close(found.pose.joints[0, joint], place)
        assert found.scores[joint].item() == pytest.approx(score, abs=1e-6)
        assert found.pose.visible[0, joint].item() == (score >= 0.5)
    right, left, neck = OPENPOSE18.indices(["right_shoulder", "left_shoulder", "neck"])
    joints = found.pose.joints[0]
    torch.testing.assert_close(joints[neck], (joints[right] + joints[left]) / 2)


def test_the_picture_is_rgb_in_0_to_1_and_its_edge_goes_on(adapter, network):
    photo = np.full((90, 70, 3), (255, 51, 0), np.uint8)
    shown = network(np.zeros((39, 5)))
    adapter(shown)(photo, (40.0, 40.0, 140.0, 140.0))
    np.testing.assert_allclose(shown.seen, np.full((1, 256, 256, 3), (1, 0.2, 0)), atol=1e-6)


def test_where_nobody_is_no_joint_is_visible(adapter, network):
    sure = np.tile([128.0, 128, 0, 9, 9], (39, 1))
    found = adapter(network(sure, presence=0.001))(np.zeros((90, 70, 3), np.uint8))
    assert not found.pose.visible.any()
    assert found.torso_score < 0.01


@pytest.mark.parametrize(
    ("dtype", "shapes"),
    [
        (np.float32, [(1, 124), (1, 1)]),  # the upper body only, of 2020
        (np.float32, [(1, 195), (1, 64, 64, 39)]),
        (np.uint8, [(1, 195), (1, 1)]),
    ],
)
def test_another_network_is_refused(adapter, tflite_network, dtype, shapes):
    with pytest.raises(InputError, match="not a BlazePose landmark model"):
        adapter(tflite_network(256, dtype, [(shape, 0) for shape in shapes]))


def test_the_network_of_mediapipe_agrees_with_the_annotation(shared):
    # Not in ../shared either: whoever has mediapipe 0.10.21 can put the file there.
    pytest.importorskip("ai_edge_litert", reason="needs the extra pose")
    path = shared / "weights" / "pose_landmark_full.tflite"
    if not path.exists():
        pytest.skip("needs ../shared/weights/pose_landmark_full.tflite, which is not there")
    from deformgan.datasets.market1501 import Market1501

    people = Market1501(shared / "market1501", split="train")
    detector = blazepose.BlazePose(path)
    near = []
    chosen = people.usable.nonzero()[:: int(people.usable.sum()) // 24, 0].tolist()
    for place in chosen:
        found = detector(people.images[place].permute(1, 2, 0).numpy()).pose
        away = (found.joints[0] - people.poses.joints[place]).norm(dim=-1)
        near.append(away[found.visible[0] & people.poses.visible[place]] <= 8)
    assert torch.cat(near).float().mean() > 0.75
