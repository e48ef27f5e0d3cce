"""The pose detector's view as a loss: its definition in slow loops, its gradient, its sizes."""

import math

import pytest
import torch

from deformgan.backbones.pose18_network import BUNDLED, load_network
from deformgan.datasets.bundled_people import bundled_people
from deformgan.losses.pose import pose_loss
from deformgan.models.layers import resize
from deformgan.pixels import to_image
from deformgan.recipes import RECIPES
from deformgan.training.settings import change_settings


@pytest.fixture(scope="module")
def photos():
    """Four people in two poses each, 128x64."""
    people = bundled_people()[:4]
    first, second = (torch.cat([to_image(views[row].photo) for views in people]) for row in (0, 1))
    return first, second


def test_it_is_the_divergence_of_the_joints_distributions(photos):
    generated, target = (side[:2] for side in photos)
    detector, _ = load_network(BUNDLED)
    with torch.no_grad():
        heat = [
            detector(torch.nn.functional.pad(side, (16, 16, 0, 0), mode="replicate")).double()
            for side in (generated, target)
        ]
    total = counted = 0.0
    for image in range(2):
        for joint in range(18):
            found, wanted = (maps[image, joint].flatten().tolist() for maps in heat)
            norms = [sum(math.exp(value) for value in side) for side in (found, wanted)]
            sure = 1 / (1 + math.exp(-max(wanted)))
            for one, other in zip(found, wanted, strict=True):
                share = math.exp(other) / norms[1]
                total += sure * share * math.log(share / (math.exp(one) / norms[0]))
            counted += sure
    assert pose_loss(generated, target).item() == pytest.approx(total / counted, rel=1e-4)


def test_the_same_photo_costs_nothing_and_another_pose_something(photos):
    assert pose_loss(photos[0], photos[0]).item() == pytest.approx(0, abs=1e-6)
    assert pose_loss(*photos) > 0.5


def test_a_vanished_leg_costs_more_than_a_change_of_colour(photos):
    photo = photos[0]
    cut = photo.clone()
    cut[:, :, 80:, :] = photo[:, :, 80:81, :]
    assert pose_loss(cut, photo) > 3 * pose_loss(0.9 * photo, photo)


def test_a_step_down_its_gradient_comes_nearer_and_the_detector_stays_frozen(photos):
    generated = photos[0].clone().requires_grad_()
    before = pose_loss(generated, photos[1])
    before.backward()
    assert generated.grad is not None
    step = 0.5 * generated.grad / generated.grad.norm()
    assert pose_loss(generated - step, photos[1]) < before
    assert all(p.grad is None for p in load_network(BUNDLED)[0].parameters())


@pytest.mark.parametrize("size", [(256, 128), (256, 96), (128, 128), (128, 48)])
def test_images_of_other_sizes_are_compared_too(photos, size):
    one, other = (resize(side, size) for side in photos)
    assert pose_loss(one, one).item() == pytest.approx(0, abs=1e-5)
    assert pose_loss(one, other) > 0.5


def test_it_is_refused_for_a_skeleton_without_detector():
    config = RECIPES["quickstart"]()
    changes = {
        "generator.skeleton": "quadruped20",
        "discriminator.skeleton": "quadruped20",
        "weights.pose": 1.0,
    }
    with pytest.raises(Exception, match="needs skeleton openpose18"):
        change_settings(config, changes, "train")
