"""RealPhotos, and how far a new photo is from those that are there."""

import math

import pytest
import torch

from deformgan.datasets.bundled_people import bundled_photo_set
from deformgan.pose import Pose
from deformgan.reid.policies.coverage import describe_poses
from deformgan.reid.variety import RealPhotos, largest_similarity, smallest_distance
from deformgan.skeletons.openpose18 import OPENPOSE18


def mean_colour(images):
    return torch.nn.functional.normalize(images.float().mean(dim=(2, 3)), dim=1)


def test_the_largest_similarity_is_that_to_the_nearest():
    vectors = torch.nn.functional.normalize(torch.randn(7, 5), dim=1)
    found = largest_similarity(vectors[0], vectors[1:])
    cosines = [
        sum(float(a) * float(b) for a, b in zip(vectors[0], v, strict=True)) for v in vectors[1:]
    ]
    assert found == pytest.approx(max(cosines), abs=1e-6)
    assert largest_similarity(vectors[0], vectors) == pytest.approx(1.0)


def test_distances_of_poses_are_in_torso_lengths_free_of_position_and_size(people):
    pose = people(4)
    moved = Pose(3 * pose.joints + torch.tensor([40.0, -7.0]), pose.visible)
    described = describe_poses(Pose.cat([pose, moved]))
    for row in range(4):
        assert smallest_distance(described[row], described[[row + 4]]) == pytest.approx(0, abs=1e-5)
    # One wrist moved by half a torso: the mean over 18 joints is that of one.
    joints = pose.joints[:1].clone()
    ends = ("right_shoulder", "left_shoulder", "right_hip", "left_hip")
    shoulders, hips = joints[0, OPENPOSE18.indices(ends)].double().split(2)
    torso = (shoulders.mean(dim=0) - hips.mean(dim=0)).norm().item()
    joints[0, OPENPOSE18.index("left_wrist"), 0] += torso / 2
    one, two = describe_poses(Pose(torch.cat([pose.joints[:1], joints]), pose.visible[[0, 0]]))
    assert smallest_distance(one, torch.stack([two])) == pytest.approx(
        0.5 / math.sqrt(18), abs=1e-5
    )
    far = describe_poses(people(6, seed=2))
    apart = [smallest_distance(far[0], far[[row]]) for row in range(1, 6)]
    assert smallest_distance(far[0], far[1:]) == min(apart)


def test_real_photos_are_those_of_the_person_embedded_once():
    photos = bundled_photo_set()
    batches = []

    def embed(images):
        batches.append(len(images))
        return mean_colour(images)

    real = RealPhotos(photos, photos, embed)
    row = int(photos.usable.nonzero()[-1])
    who = photos.identities[row]
    rows = [other for other, identity in enumerate(photos.identities) if identity == who]
    assert torch.equal(real.embeddings(row), mean_colour(photos.images[rows]))
    real.embeddings(rows[0])
    assert batches == [len(rows)]
    assert real.usable_rows(row) == [other for other in rows if photos.usable[other]]
