"""Detectors by name, and MoveNet against the annotation of Market-1501."""

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets.market1501 import Market1501
from deformgan.detectors import find_person, load_detector
from deformgan.errors import InputError
from deformgan.skeletons.openpose18 import OPENPOSE18

NUM_PHOTOS = 24
MODEL = "movenet_single_pose_lightning_ptq.tflite"


@pytest.fixture(scope="module")
def movenet(outside_weights):
    pytest.importorskip("ai_edge_litert", reason="needs the extra pose")
    return load_detector(f"movenet:{outside_weights / MODEL}")


@pytest.fixture(scope="module")
def photos(market1501):
    people = Market1501(market1501, split="train")
    chosen = people.usable.nonzero()[:: int(people.usable.sum()) // NUM_PHOTOS, 0]
    images = people.images[chosen].permute(0, 2, 3, 1).numpy()
    return images, people.poses[chosen]


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ("nosuch:model.tflite", "movenet:PATH"),
        ("movenet", "movenet:PATH"),
        ("movenet:", "movenet:PATH"),
        ("movenet:/nowhere/model.tflite", "does not exist"),
    ],
)
def test_a_wrong_detector_is_refused_with_what_is_allowed(given, allowed):
    with pytest.raises(InputError, match=allowed):
        load_detector(given)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="needs the extra pose")
    (tmp_path / "x.tflite").write_bytes(b"not a model" * 10)
    with pytest.raises(InputError, match="not a TensorFlow Lite model"):
        load_detector(f"movenet:{tmp_path / 'x.tflite'}")


def test_finds_the_joints_that_the_authors_annotated(movenet, photos):
    images, annotated = photos
    near = []
    for place, image in enumerate(images):
        found = find_person(movenet, image)
        assert found is not None
        both = found.pose.visible[0] & annotated.visible[place]
        away = (found.pose.joints[0] - annotated.joints[place]).norm(dim=-1)
        near.append(away[both] <= 8)
    # An outside measurement of the same model on more images gave 0.94.
    assert torch.cat(near).float().mean() > 0.85


def test_finds_the_same_person_in_a_larger_photo(movenet, photos):
    images, _ = photos
    alone = find_person(movenet, images[0])
    photo = np.full((480, 640, 3), 110, np.uint8)
    photo[170:298, 400:464] = images[0]
    found = find_person(movenet, photo)
    assert alone is not None
    assert found is not None
    torso = OPENPOSE18.mandatory_joints
    away = found.pose.joints[0, torso] - torch.tensor([400.0, 170.0]) - alone.pose.joints[0, torso]
    assert away.norm(dim=-1).max() < 8


def test_the_neck_is_between_the_shoulders(movenet, photos):
    pose = movenet(photos[0][0]).pose
    right, left, neck = (
        pose.joints[0, OPENPOSE18.index(joint)]
        for joint in ("right_shoulder", "left_shoulder", "neck")
    )
    torch.testing.assert_close(neck, (right + left) / 2)


def test_nobody_is_found_where_nobody_is(movenet, shared):
    noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    assert find_person(movenet, noise) is None
    assert find_person(movenet, np.full((128, 64, 3), 127, np.uint8)) is None
    street = np.array(Image.open(shared / "walk" / "bg-image.jpg").convert("RGB"))
    assert find_person(movenet, street) is None
