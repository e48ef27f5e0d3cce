"""cut_box against slices, against bilinear sampling, and there and back again."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from deformgan.detectors.crop import cut_box, whole


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def spot(height, width, x, y, sigma):
    """A photo with one soft white spot."""
    rows, columns = np.mgrid[:height, :width]
    light = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat((255 * light)[..., None], 3, axis=2).round().astype(np.uint8)


def test_the_whole_photo_at_its_own_size_is_the_photo(photo):
    np.testing.assert_array_equal(cut_box(photo, None, (40, 30)).pixels, photo)
    np.testing.assert_array_equal(cut_box(photo, whole(photo), (40, 30)).pixels, photo)


@pytest.mark.parametrize(("beyond", "mode"), [("black", "constant"), ("edge", "edge")])
@pytest.mark.parametrize(("top", "left"), [(3, 4), (-6, -9), (28, 21), (-60, -50)])
def test_a_box_of_whole_pixels_is_a_slice_of_the_padded_photo(photo, beyond, mode, top, left):
    box = (left - 0.5, top - 0.5, left + 11.5, top + 19.5)
    padded = np.pad(photo, ((99, 99), (99, 99), (0, 0)), mode=mode)
    expected = padded[99 + top : 99 + top + 20, 99 + left : 99 + left + 12]
    cut = cut_box(photo, box, (20, 12), beyond=beyond).pixels
    np.testing.assert_array_equal(cut, expected)


@pytest.mark.parametrize(("beyond", "padding"), [("black", "zeros"), ("edge", "border")])
def test_enlarging_is_bilinear_sampling(photo, beyond, padding):
    size = (96, 64)
    crop = cut_box(photo, (-3.3, 5.1, 12.2, 30.7), size, margin=1.1, beyond=beyond)
    rows, columns = np.mgrid[: size[0], : size[1]]
    shares = torch.from_numpy(np.stack([(columns + 0.5) / 64, (rows + 0.5) / 96], axis=-1))
    places = crop.in_photo(shares.reshape(-1, 2).float()).reshape(1, *size, 2)
    grid = (2 * places + 1) / torch.tensor([30.0, 40.0]) - 1
    image = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
    sampled = F.grid_sample(image, grid, padding_mode=padding, align_corners=False)[0]
    difference = torch.from_numpy(crop.pixels).permute(2, 0, 1) - sampled
    # The outermost pixels would need a neighbour that was not cut out.
    assert difference[:, 6:-6, 6:-6].abs().max() < 1.1


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (96, 128), (40, 160)])
@pytest.mark.parametrize("margin", [1.0, 1.25])
def test_what_is_found_in_the_crop_is_at_its_place_in_the_photo(size, margin):
    photo = spot(120, 90, x=37.3, y=71.8, sigma=3)
    for box in (
        None,
        (10.0, 40.0, 60.0, 95.0),
        (-30.2, 20.7, 77.1, 140.3),
        (5.0, 60.0, 70.0, 83.0),
    ):
        crop = cut_box(photo, box, size, margin)
        light = crop.pixels[..., 0].astype(float)
        rows, columns = np.mgrid[: size[0], : size[1]]
        y, x = (light * rows).sum() / light.sum(), (light * columns).sum() / light.sum()
        shares = torch.tensor([[(x + 0.5) / size[1], (y + 0.5) / size[0]]], dtype=torch.float32)
        found = crop.in_photo(shares)[0]
        assert (found - torch.tensor([37.3, 71.8])).abs().max() < 0.2


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (30, 120)])
@pytest.mark.parametrize("box", [(2.0, 3.0, 20.0, 33.0), (-9.0, 11.0, 70.0, 15.0)])
def test_the_part_has_the_shape_of_the_size_and_holds_the_box_tightly(photo, size, box):
    crop = cut_box(photo, box, size)
    assert crop.width / crop.height == pytest.approx(size[1] / size[0])
    left, top, right, bottom = box
    assert crop.left <= left + 1e-9
    assert crop.top <= top + 1e-9
    assert crop.left + crop.width >= right - 1e-9
    assert crop.top + crop.height >= bottom - 1e-9
    tight = crop.width == pytest.approx(right - left) or crop.height == pytest.approx(bottom - top)
    assert tight
    enlarged = cut_box(photo, box, size, margin=1.5)
    assert enlarged.width == pytest.approx(1.5 * crop.width)
    assert enlarged.left + enlarged.width / 2 == pytest.approx(crop.left + crop.width / 2)
    assert enlarged.top + enlarged.height / 2 == pytest.approx(crop.top + crop.height / 2)


def test_a_box_around_one_point_has_a_pixel(photo):
    crop = cut_box(photo, (12.0, 9.0, 12.0, 9.0), (32, 32))
    assert (crop.width, crop.height) == (1, 1)
    assert (crop.pixels[12:20, 12:20] == photo[9, 12]).all()
