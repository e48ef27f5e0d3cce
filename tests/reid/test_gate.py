"""QualityGate and what it measures."""

import re

import pytest
import torch

from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.datasets.bundled_people import bundled_photo_set
from deformgan.detectors.person import Detection
from deformgan.detectors.pose18 import Pose18
from deformgan.errors import InputError
from deformgan.evaluation.pckh import pckh
from deformgan.pose import Pose
from deformgan.reid.gate import GateScores, QualityGate
from deformgan.skeletons.openpose18 import OPENPOSE18

GOOD = {"person": 0.9, "pose": 0.9, "identity": 0.9}
PHOTOS = 12


@pytest.fixture(scope="module")
def photos():
    photos = bundled_photo_set()
    rows = photos.usable.nonzero()[:PHOTOS, 0]
    return photos.images[rows], photos.poses[rows]


@pytest.fixture(scope="module")
def measure():
    return GateScores(Pose18(mirrored=False), load_person_embedding())


class Planted:
    """A detector that finds each of some poses in turn, with the scores given."""

    def __init__(self, poses, scores):
        self.found = [Detection(poses[[row]], scores[row]) for row in range(len(poses))]

    def __call__(self, image, box=None):
        """Return the next one, whatever is in the image."""
        return self.found.pop(0)


def mean_colour(images):
    return torch.nn.functional.normalize(images.float().mean(dim=(2, 3)), dim=1)


@pytest.mark.parametrize("low", ["person", "pose", "identity"])
def test_a_photo_that_is_too_low_in_one_score_has_that_fault(low):
    gate = QualityGate(0.5, 0.5, 0.5)
    assert gate.faults(GOOD) == []
    assert gate.faults(GOOD | {low: 0.5}) == []
    assert gate.faults(GOOD | {low: 0.49}) == [low]
    assert gate.faults(GOOD | {low: float("nan")}) == [low]


def test_what_adds_too_little_has_that_fault_if_variety_is_asked_for():
    scores = GOOD | {"variety": 0.25, "pose_variety": 0.5}
    assert QualityGate(max_similarity=0.75, min_pose_distance=0.5).faults(scores) == []
    assert QualityGate(max_similarity=0.74).faults(scores) == ["variety"]
    assert QualityGate(min_pose_distance=0.51).faults(scores) == ["pose_variety"]
    nan = scores | {"variety": float("nan")}
    assert QualityGate(max_similarity=1.0).faults(nan) == ["variety"]


@pytest.mark.parametrize(
    ("limit", "allowed"),
    [
        ({"min_person": -0.1}, "[0, 1]"),
        ({"min_pose": 1.1}, "[0, 1]"),
        ({"min_identity": -2.0}, "[-1, 1]"),
        ({"max_similarity": 1.5}, "[-1, 1]"),
        ({"min_pose_distance": -1.0}, "[0, 10]"),
        ({"min_pose_distance": float("nan")}, "[0, 10]"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_limits_out_of_range_are_refused_by_the_flags_name(limit, allowed):
    ((name, given),) = limit.items()
    said = f"--{name.replace('_', '-')} is {given}; it must be in {allowed}."
    with pytest.raises(InputError, match=re.escape(said)):
        QualityGate(**limit).check()
    QualityGate().check()


def test_scores_are_joints_found_again_certainty_of_the_torso_and_cosine(people):
    asked = people(3)
    unit = 36.0  # about the torso's length; a joint 12 px off is missed, one 2 px off is met
    found, visible = asked.joints.clone(), asked.visible.clone()
    found[0] += 2.0
    found[1, :9] += unit / 3
    visible[2, :4] = False
    scores = torch.rand(3, 18)
    images = torch.randint(0, 256, (3, 3, 128, 64), dtype=torch.uint8)
    sources = mean_colour(torch.randint(0, 256, (3, 3, 128, 64), dtype=torch.uint8))
    measured, vectors = GateScores(Planted(Pose(found, visible), scores), mean_colour)(
        images, asked, sources
    )
    assert torch.equal(vectors, mean_colour(images))
    assert [each["pose"] for each in measured] == [1.0, 0.5, 14 / 18]
    torso = OPENPOSE18.mandatory_joints
    for row, each in enumerate(measured):
        assert each["person"] == pytest.approx(scores[row, torso].mean().item())
        cosine = (mean_colour(images)[row] * sources[row]).sum().item()
        assert each["identity"] == pytest.approx(cosine)


def test_the_bundled_detector_sees_in_a_batch_what_it_sees_one_by_one(photos, measure):
    images, poses = photos
    measured, _ = measure(images, poses, measure.describe(images))
    alone = pckh(images, poses, measure.detector)
    torch.testing.assert_close(
        torch.tensor([each["pose"] for each in measured], dtype=torch.float64), alone
    )
    for row, image in enumerate(images.permute(0, 2, 3, 1).contiguous().numpy()):
        expected = measure.detector(image).torso_score
        assert measured[row]["person"] == pytest.approx(expected, abs=1e-5)


def test_photos_of_people_pass_in_their_own_poses_and_noise_never(photos, measure):
    images, poses = photos
    gate, vectors = QualityGate(), measure.describe(images)
    kept = [not gate.faults(scores) for scores in measure(images, poses, vectors)[0]]
    assert sum(kept) >= 0.8 * PHOTOS
    noise = torch.randint(0, 256, images.shape, dtype=torch.uint8)
    for scores in measure(noise, poses, vectors)[0]:
        assert "person" in gate.faults(scores)


def test_a_photo_of_somebody_else_has_the_fault_identity(photos, measure):
    images, poses = photos
    vectors = measure.describe(images.roll(PHOTOS // 2, dims=0))
    faults = [QualityGate().faults(scores) for scores in measure(images, poses, vectors)[0]]
    assert sum("identity" in each for each in faults) >= 0.8 * PHOTOS


def test_a_photo_in_another_pose_has_the_fault_pose(photos, measure):
    images, poses = photos
    lower = Pose(poses.joints + torch.tensor([0.0, 20.0]), poses.visible)
    for scores in measure(images, lower, measure.describe(images))[0]:
        assert QualityGate().faults(scores) == ["pose"]
