"""What any generator has to beat: copies, jittered copies, one global transform."""

import pytest
import torch

from deformgan.pose import Pose
from deformgan.reid.simple_augmenters import SIMPLE_AUGMENTERS
from deformgan.reid.simple_augmenters.affine import Affine
from deformgan.reid.simple_augmenters.copy import Copy
from deformgan.reid.simple_augmenters.jitter import (
    SMALLEST,
    Jitter,
    change_colours,
    jitter_transforms,
)
from deformgan.reid.simple_augmenters.moving import move_photos

IDENTITY = torch.eye(2, 3)


def _shift(x: float, y: float, count: int = 1):
    return torch.tensor([[[1.0, 0.0, x], [0.0, 1.0, y]]]).repeat(count, 1, 1)


def test_copies_are_equal_and_filed_under_their_photos(photos):
    real = photos(people=3, each=2)
    made = Copy().generate(real, 2, 0)
    assert made.names[0] == "0000g1.jpg"
    assert made.names[-1] == "0005g2.jpg"
    assert made.generated.all()
    assert torch.equal(made.images, real.images.repeat(2, 1, 1, 1))
    assert torch.equal(made.classes, real.classes.repeat(2))
    assert torch.equal(made.cameras, real.cameras.repeat(2))


def test_the_identity_moves_nothing(photos):
    images = photos().images
    assert torch.equal(move_photos(images, IDENTITY.expand(len(images), -1, -1)), images)


def test_a_shift_by_whole_pixels_goes_on_with_the_border(photos):
    images = photos(people=2, each=1).images
    moved = move_photos(images, _shift(-3.0, 5.0, 2))
    rows = (torch.arange(64) + 5).clamp(max=63)
    columns = (torch.arange(32) - 3).clamp(min=0)
    expected = images[:, :, rows][:, :, :, columns]
    torch.testing.assert_close(moved.float(), expected.float(), rtol=0, atol=1.0)


@pytest.mark.parametrize("augmenter", ["jitter", "affine"])
def test_a_picture_depends_on_seed_and_photo_alone(augmenter, photos, people):
    real = photos()
    poses = people(len(real), real.images.shape[2:])
    made = {"jitter": Jitter(), "affine": Affine(real.names, poses, _everybody(real))}[augmenter]
    whole = made.generate(real, 3, 7)
    assert len(set(whole.names)) == len(whole) == 3 * len(real)
    by_name = dict(zip(whole.names, whole.images, strict=True))
    some = made.generate(real.take(torch.tensor([11, 4])), 2, 7)
    assert some.names == ["0011g1.jpg", "0004g1.jpg", "0011g2.jpg", "0004g2.jpg"]
    for name, image in zip(some.names, some.images, strict=True):
        # Sums in batches of other lengths may move a pixel one level before its colours change,
        # which make at most 1.2 ** 3 levels of it.
        torch.testing.assert_close(image.float(), by_name[name].float(), rtol=0, atol=2.0)
    other = made.generate(real.take(torch.tensor([11, 4])), 2, 8)
    assert not torch.equal(other.images, some.images)


def _everybody(real):
    return torch.ones(len(real), dtype=torch.bool)


def test_a_jittered_window_stays_in_the_photo_but_for_its_turning():
    drawn = torch.rand(200, 5)
    drawn[:, 0] = 0.5  # not turned
    transforms = jitter_transforms(drawn, (128, 64))
    corners = torch.tensor([[-0.5, -0.5, 1], [63.5, -0.5, 1], [-0.5, 127.5, 1], [63.5, 127.5, 1]])
    seen = torch.einsum("nij,cj->nci", transforms, corners)
    assert (seen >= -0.5 - 1e-3).all()
    assert (seen <= torch.tensor([63.5, 127.5]) + 1e-3).all()
    width = (seen[:, 1, 0] - seen[:, 0, 0]).abs()
    assert (width >= 64 * SMALLEST - 1e-3).all()
    mirrored = seen[:, 0, 0] > seen[:, 1, 0]
    assert torch.equal(mirrored, drawn[:, 4] < 0.5)


def test_neutral_draws_jitter_nothing():
    neutral = torch.tensor([[0.5, 1.0, 0.5, 0.5, 0.9]])
    # In pixels: a thousandth of one is far less than a picture shows.
    found = jitter_transforms(neutral, (128, 64))
    torch.testing.assert_close(found, IDENTITY[None], rtol=0, atol=1e-3)


def test_colours_change_as_the_definitions_say():
    images = torch.randint(60, 200, (3, 3, 8, 6), dtype=torch.uint8)
    assert torch.equal(change_colours(images, torch.ones(3, 3)), images)
    brighter = change_colours(images, torch.tensor([[1.2, 1.0, 1.0]]).expand(3, -1))
    torch.testing.assert_close(brighter.float(), 1.2 * images.float(), rtol=0, atol=0.51)
    grey = change_colours(images, torch.tensor([[1.0, 1.0, 0.0]]).expand(3, -1)).float()
    assert (grey.amax(dim=1) - grey.amin(dim=1)).max() <= 1
    flat = change_colours(images, torch.tensor([[1.0, 0.0, 0.0]]).expand(3, -1)).float()
    assert (flat.amax(dim=(1, 2, 3)) - flat.amin(dim=(1, 2, 3))).max() <= 1


def test_affine_moves_the_photo_into_the_other_pose(photos, people):
    real = photos(people=2, each=1)
    one = people(1, (64, 32))
    moved = Pose(one.joints + torch.tensor([4.0, -6.0]), one.visible)
    augmenter = Affine(real.names, Pose.cat([one, moved]), torch.ones(2, dtype=torch.bool))
    made = augmenter.generate(real, 1, 0)
    assert made.names == ["0000g1.jpg", "0001g1.jpg"]
    expected = torch.cat(
        [
            move_photos(real.images[:1], _shift(-4.0, 6.0)),
            move_photos(real.images[1:], _shift(4.0, -6.0)),
        ]
    )
    torch.testing.assert_close(made.images.float(), expected.float(), rtol=0, atol=2.0)


def test_affine_makes_nothing_of_a_photo_without_a_pose(photos, people):
    real = photos(people=3, each=2)
    usable = torch.tensor([True, True, False, True, True])
    augmenter = Affine(real.names[:5], people(5, (64, 32)), usable)
    made = augmenter.generate(real, 2, 0)
    assert sorted(made.names) == sorted(
        f"{row:04d}g{number}.jpg" for row in (0, 1, 3, 4) for number in (1, 2)
    )
    assert len(augmenter.generate(real.take(torch.tensor([2, 5])), 2, 0)) == 0


def test_all_open_on_a_market_layout(market1501):
    for name, make in SIMPLE_AUGMENTERS.items():
        assert make(market1501, (128, 64)).describe()["simple"] == name
