"""Sharpness on photos, ramps and noise."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from deformgan.metrics.sharpness import relative_sharpness, sharpness

LUMA = (0.299, 0.587, 0.114)


def batch(*images):
    return torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images])


def everywhere(images):
    return torch.ones(len(images), *images.shape[2:], dtype=torch.bool)


def noise(height=24, width=17, low=60, high=180, count=2):
    return torch.randint(low, high, (count, 3, height, width), dtype=torch.uint8)


@pytest.fixture
def photos(shared):
    frames = sorted((shared / "walk" / "frames").glob("*.jpg"))[::20]
    return [Image.open(frame).convert("RGB") for frame in frames]


def brute_force(image, mask):
    luma = sum(weight * image[channel].double() for channel, weight in enumerate(LUMA))
    height, width = mask.shape
    energies = []
    for dy, dx in ((1, 0), (0, 1)):
        steps = [
            (luma[y + dy, x + dx] - luma[y, x]).item() ** 2
            for y in range(height - dy)
            for x in range(width - dx)
            if mask[y, x] and mask[y + dy, x + dx]
        ]
        energies.append(sum(steps) / len(steps))
    return sum(energies) ** 0.5


def test_matches_the_definition():
    images = noise()
    mask = torch.rand(2, 24, 17) < 0.6
    expected = [brute_force(image, part) for image, part in zip(images, mask, strict=True)]
    np.testing.assert_allclose(sharpness(images, mask), expected, rtol=1e-12)


def test_a_ramp_is_as_sharp_as_its_slope():
    ramp = (3 * torch.arange(20, dtype=torch.uint8)).expand(1, 3, 30, 20)
    torch.testing.assert_close(sharpness(ramp, everywhere(ramp)), torch.tensor([3.0]).double())
    turned = ramp.transpose(2, 3)
    torch.testing.assert_close(sharpness(turned, everywhere(turned)), torch.tensor([3.0]).double())


def test_blur_lowers_it_the_more_the_stronger(photos):
    target = batch(*photos)
    ratios = [torch.ones(len(photos)).double()]
    for radius in (0.5, 0.7, 1, 1.5, 2, 3, 5, 8):
        blurred = batch(*(photo.filter(ImageFilter.GaussianBlur(radius)) for photo in photos))
        mask = everywhere(target)
        mask[:, :20] = mask[:, 100:] = mask[:, :, :12] = mask[:, :, 50:] = False
        ratios.append(relative_sharpness(blurred, target, mask))
    ratios = torch.stack(ratios)
    assert (ratios.diff(dim=0) < 0).all()
    assert (ratios[-1] < 0.35).all()


def test_blur_wins_by_psnr_and_loses_here(photos):
    from deformgan.metrics.psnr import psnr

    # Two outputs for a target: one shifted by a pixel, one so blurred that nothing is at a place.
    target = batch(*photos)[..., 1:]
    shifted = batch(*photos)[..., :-1]
    blurred = batch(*(photo.filter(ImageFilter.GaussianBlur(1.5)) for photo in photos))[..., 1:]
    mask = everywhere(target)
    assert (psnr(blurred, target) > psnr(shifted, target)).all()
    torch.testing.assert_close(
        relative_sharpness(shifted, target, mask),
        torch.ones(len(photos)).double(),
        atol=0.05,
        rtol=0,
    )
    assert (relative_sharpness(blurred, target, mask) < 0.8).all()


def test_noise_goes_above_one():
    target = noise(low=118, high=123)
    generated = target + torch.randint(0, 9, target.shape, dtype=torch.uint8)
    assert (relative_sharpness(generated, target, everywhere(target)) > 1.5).all()


def test_brightness_leaves_it_and_contrast_scales_it():
    images = noise(high=100)
    mask = everywhere(images)
    torch.testing.assert_close(sharpness(images + 50, mask), sharpness(images, mask))
    torch.testing.assert_close(sharpness(images * 2, mask), 2 * sharpness(images, mask))


def test_enlarging_halves_it(photos):
    large = batch(*(photo.resize((128, 256), Image.Resampling.BICUBIC) for photo in photos))
    small = batch(*photos)
    ratio = sharpness(large, everywhere(large)) / sharpness(small, everywhere(small))
    assert ((ratio > 0.4) & (ratio < 0.7)).all()


def test_the_background_and_the_edge_of_the_mask_do_not_count():
    images = torch.full((1, 3, 20, 20), 40, dtype=torch.uint8)
    images[..., 10:] = noise(20, 10, 200, 255, count=1)
    mask = torch.zeros(1, 20, 20, dtype=torch.bool)
    mask[..., :10] = True
    assert sharpness(images, mask).item() == 0
    other = images.clone()
    other[..., :10] = noise(20, 10, count=1)
    expected = sharpness(other[..., :10], mask[..., :10])
    torch.testing.assert_close(sharpness(other, mask), expected)


def test_an_empty_mask_or_a_target_of_one_grey_has_no_number():
    images = noise()
    mask = everywhere(images)
    mask[1] = False
    assert sharpness(images, mask).isnan().tolist() == [False, True]
    plain = torch.full_like(images, 90)
    assert relative_sharpness(images, plain, everywhere(images)).isnan().all()
    assert relative_sharpness(plain, images, everywhere(images)).tolist() == [0, 0]


def test_an_image_is_as_sharp_as_itself_in_any_batch():
    images = noise(count=3)
    mask = torch.rand(3, 24, 17) < 0.8
    assert relative_sharpness(images, images, mask).tolist() == [1, 1, 1]
    assert sharpness(images[1:2], mask[1:2]).item() == sharpness(images, mask)[1].item()
