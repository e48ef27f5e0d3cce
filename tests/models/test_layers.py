"""What layers are made with: reading at a field, and frames that survive a resize."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from deformgan.models.layers import (
    DECISIVE,
    LEADING,
    Detail,
    Fields,
    Layers,
    LayersConfig,
    combine,
    mix,
    own_places,
    resize,
    resize_field,
    resize_pose,
    sample_at,
    unfold,
)
from deformgan.pose import Pose

SIZES = [(8, 6), (12, 12), (5, 9), (3, 2), (20, 7)]


def identity(size, batch=1):
    return own_places(size, torch.zeros(())).expand(batch, 2, *size)


def test_own_places_are_column_and_row():
    places = own_places((3, 5), torch.zeros((), dtype=torch.float64))
    assert places.dtype == torch.float64
    for row in range(3):
        for column in range(5):
            assert places[:, row, column].tolist() == [column, row]


def test_reading_where_every_pixel_is_changes_nothing():
    image = torch.rand(2, 3, 7, 5)
    torch.testing.assert_close(sample_at(image, identity((7, 5), 2), (7, 5)), image)


def test_reading_is_bilinear_and_beyond_the_edges_their_pixels():
    # An image of twice the field's pixels: pixel x of the field is 2 x + 1/2 of the image.
    image, field = torch.rand(1, 2, 8, 6), torch.rand(1, 2, 3, 4) * 7 - 2
    found = sample_at(image, field, (4, 3))
    for row in range(3):
        for column in range(4):
            x, y = (2 * field[0, :, row, column] + 0.5).tolist()
            x, y = min(max(x, 0.0), 5.0), min(max(y, 0.0), 7.0)
            left, top = min(int(x), 4), min(int(y), 6)
            (a, b), (c, d) = image[0, 0, top : top + 2, left : left + 2].tolist()
            across, down = x - left, y - top
            upper, lower = a + (b - a) * across, c + (d - c) * across
            assert found[0, 0, row, column].item() == pytest.approx(
                upper + (lower - upper) * down, abs=1e-5
            )


def test_reading_equals_torch_s_with_a_grid_in_its_frame():
    image, theta = torch.rand(2, 3, 9, 7), torch.tensor([[0.8, 0.2, 0.1], [-0.3, 0.9, -0.2]])
    grid = F.affine_grid(theta.expand(2, 2, 3), [2, 3, 6, 5], align_corners=False)
    wanted = F.grid_sample(image, grid, padding_mode="border", align_corners=False)
    field = ((grid + 1) * torch.tensor([7.0, 9.0]) - 1) / 2
    torch.testing.assert_close(sample_at(image, field.permute(0, 3, 1, 2), (9, 7)), wanted)


@pytest.mark.parametrize("after", SIZES)
@pytest.mark.parametrize("before", SIZES)
def test_a_resized_image_covers_the_same_area(before, after):
    # A ramp over the area is the same ramp at any size, but for half a pixel at the edges.
    ramps = [
        ((identity(size) + 0.5) / torch.tensor(size[::-1])[:, None, None])
        for size in (before, after)
    ]
    found = resize(ramps[0], after)
    assert found.shape[2:] == after
    edge = 0.5 / min(before) + 0.5 / min(after)
    assert (found - ramps[1]).abs().max() < edge
    inner = (ramps[1] > edge) & (ramps[1] < 1 - edge)
    torch.testing.assert_close(found[inner], ramps[1][inner], atol=2e-2, rtol=0)


def test_an_image_of_half_the_size_is_the_mean_of_its_quarters():
    image = torch.rand(1, 3, 8, 6)
    torch.testing.assert_close(
        resize(image, (4, 3)), image.unflatten(2, (4, 2)).unflatten(4, (3, 2)).mean(dim=(3, 5))
    )
    assert resize(image, (8, 6)) is image


@pytest.mark.parametrize("after", [(64, 24), (32, 48), (128, 96), (100, 70)])
def test_a_pose_that_is_resized_with_its_image_stays_on_what_it_was_on(after):
    # A bright spot at every joint; its centre of mass is where the joint is then.
    before, joints = (64, 48), torch.tensor([[[12.3, 40.0], [30.5, 20.25], [24.0, 31.5]]])
    places = identity(before)
    spots = [
        (-(places - joint[:, None, None]).square().sum(dim=1, keepdim=True) / 18).exp()
        for joint in joints[0]
    ]
    images = resize(torch.cat(spots, dim=1), after)[0]
    pose = resize_pose(Pose(joints, torch.ones(1, 3).bool()), before, after)
    for image, joint in zip(images, pose.joints[0], strict=True):
        centre = (identity(after)[0] * image).sum(dim=(1, 2)) / image.sum()
        torch.testing.assert_close(centre, joint, atol=0.03, rtol=0)


def test_a_pose_is_resized_there_and_back(people):
    pose = people(2, hidden=0.3)
    again = resize_pose(resize_pose(pose, (128, 64), (50, 90)), (50, 90), (128, 64))
    torch.testing.assert_close(again.joints, pose.joints)
    assert torch.equal(again.visible, pose.visible)
    assert resize_pose(pose, (128, 64), (128, 64)) is pose


@pytest.mark.parametrize("after", SIZES)
@pytest.mark.parametrize("before", SIZES)
def test_a_resized_field_shifts_as_before_up_to_the_edges(before, after):
    shift = torch.tensor([1.5, -0.75])[:, None, None]
    found = resize_field(identity(before) + shift, after)
    for row, column in ((0, 0), (after[0] - 1, after[1] - 1), (after[0] // 2, 0)):
        # The pixel's centre in the pixels that the field was of.
        x = (column + 0.5) * before[1] / after[1] - 0.5 + 1.5
        y = (row + 0.5) * before[0] / after[0] - 0.5 - 0.75
        torch.testing.assert_close(
            found[0, :, row, column], torch.tensor([x, y]), atol=1e-5, rtol=1e-5
        )


def test_a_detail_that_begins_changes_nothing_and_can_learn():
    detail = Detail(5, (6, 4))
    detail.begin()
    planes = detail(torch.randn(2, 5, 4, 3), torch.rand(2, 3, 8, 6), torch.rand(2, 2, 8, 6))
    assert [plane.shape for plane in planes] == [(2, n, 8, 6) for n in (3, 3, 1, 1)]
    assert not any(plane.any() for plane in planes)
    sum((plane - 1).square().sum() for plane in planes).backward()
    learned = detail.leave.weight.grad
    assert learned is not None
    assert learned.any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows": 100}, "rows must be a multiple of 32 up to 2048, got 100"),
        ({"rows": 0}, "rows must be a multiple of 32 up to 2048, got 0"),
        ({"rows": -32}, "got -32"),
        ({"field_widths": (8, 8)}, "at least three multiples of 8"),
        ({"field_widths": (8, 12, 8)}, "at least three multiples of 8"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        inspect.unwrap(LayersConfig)(**changes)


def layers(seed, visible=None):
    random = torch.Generator().manual_seed(seed)
    copy, paint, scene = torch.rand(3, 2, 3, 4, 5, generator=random) * 2 - 1
    seen, matte = torch.rand(2, 2, 1, 4, 5, generator=random)
    seen = seen if visible is None else torch.full_like(seen, visible)
    field = identity((4, 5), 2)
    fields = Fields(field, field, seen, matte, matte)
    picture = mix(matte, mix(seen, copy, paint), scene)
    logits = torch.logit(torch.cat([seen, matte], dim=1))
    return Layers(picture, copy, paint, scene, seen, matte, logits, fields)


def test_photos_combined_are_the_slow_loop():
    photos = [layers(seed) for seed in range(3)]
    found = combine(photos)
    for item in range(2):
        amounts = [float((one.visible * one.matte)[item].double().sum()) for one in photos]
        leads = np.array(amounts) ** LEADING / (np.array(amounts) ** LEADING).sum()
        for row in range(4):
            for column in range(5):
                at = (item, slice(None), row, column)
                seen = np.array([float(one.visible[at]) for one in photos])
                odds = (seen / (1 - seen)) ** DECISIVE
                share = odds / odds.sum()
                copy = sum(w * one.copy[at].numpy() for w, one in zip(share, photos, strict=True))
                visible = float((share * seen).sum())
                paint = sum(w * one.paint[at].numpy() for w, one in zip(leads, photos, strict=True))
                matte = sum(w * float(one.matte[at]) for w, one in zip(leads, photos, strict=True))
                person = visible * copy + (1 - visible) * paint
                picture = matte * person + (1 - matte) * photos[0].scene[at].numpy()
                np.testing.assert_allclose(found.copy[at], copy, atol=1e-4)
                np.testing.assert_allclose(found.picture[at], picture, atol=1e-4)


def test_a_photo_given_several_times_is_given_once():
    one = layers(1)
    for times in (1, 2, 5):
        many = combine([one] * times)
        for name in ("picture", "copy", "paint", "scene", "visible", "matte"):
            torch.testing.assert_close(getattr(many, name), getattr(one, name), atol=1e-5, rtol=0)


def test_a_photo_that_shows_nothing_adds_nothing_in_any_order():
    one, blind = layers(1), layers(2, visible=0.0)
    one = replace(one, visible=one.visible.clamp(min=0.05))
    for photos in ([one, blind], [blind, one]):
        found = combine(photos)
        torch.testing.assert_close(found.copy, one.copy, atol=1e-3, rtol=0)
        torch.testing.assert_close(found.visible, one.visible, atol=1e-3, rtol=0)
        torch.testing.assert_close(found.paint, one.paint)
    # What none shows is painted alone.
    assert combine([blind, blind]).visible.max() == 0


def test_unfolded_channels_keep_their_mean_and_leave_no_dots():
    planes = torch.tensor([1.0, -2.0, 4.0, 9.0, 5.0, 5.0, 5.0, 5.0])[None, :, None, None]
    found = unfold(planes.expand(1, 8, 6, 5))
    assert found.shape == (1, 2, 12, 10)
    inside = found[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(
        inside, torch.tensor([3.0, 5.0])[:, None, None].expand_as(inside[0])[None]
    )


def test_unfolding_is_weighing_1_2_1_in_slow_loops():
    planes = torch.randn(1, 4, 3, 4)
    shuffled = F.pixel_shuffle(planes, 2)[0, 0]
    found = unfold(planes)[0, 0]
    for row in range(1, 5):
        for column in range(1, 7):
            total = sum(
                (2 - abs(down)) * (2 - abs(right)) * shuffled[row + down, column + right]
                for down in (-1, 0, 1)
                for right in (-1, 0, 1)
            )
            torch.testing.assert_close(found[row, column], total / 16)
