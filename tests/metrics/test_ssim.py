"""Structural similarity, overall and of the person alone."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from deformgan.metrics.ssim import mask_ssim, ssim

SIZES = ["128x64", "256x256"]


@pytest.fixture(scope="module")
def arrays(golden):
    return np.load(golden / "ssim.npz")


def to_images(array):
    return torch.from_numpy(array).permute(0, 3, 1, 2)


def golden_case(arrays, size):
    """Generated, target and mask of one image size."""
    width = arrays[f"target_{size}"].shape[2]
    packed = np.unpackbits(arrays[f"mask_packed_{size}"], axis=-1)[..., :width]
    generated, target = (to_images(arrays[f"{side}_{size}"]) for side in ("generated", "target"))
    return generated, target, torch.from_numpy(packed.astype(bool))


def scikit_image(generated, target):
    """One image (3, H, W), called as the protocol says."""
    return structural_similarity(
        target.permute(1, 2, 0).numpy(),
        generated.permute(1, 2, 0).numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1,
        data_range=float(generated.max()) - float(generated.min()),
    )


@pytest.mark.parametrize("size", SIZES)
def test_thirteen_taps_give_the_authors_numbers(arrays, size):
    generated, target, mask = golden_case(arrays, size)
    expected = {
        name: torch.from_numpy(arrays[f"{name}_{size}"]) for name in ("ssim", "ssim_masked")
    }
    exact = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(ssim(generated, target, taps=13), expected["ssim"], **exact)
    masked = mask_ssim(generated, target, mask, taps=13)
    torch.testing.assert_close(masked, expected["ssim_masked"], **exact)
    swapped = torch.from_numpy(arrays[f"ssim_swapped_{size}"])
    torch.testing.assert_close(ssim(target, generated, taps=13), swapped, **exact)


def test_the_score_of_a_list_is_the_mean_over_its_images(arrays):
    generated, target, _ = golden_case(arrays, "128x64")
    mean = ssim(generated, target, taps=13).mean().item()
    assert mean == pytest.approx(float(arrays["ssim_mean_128x64"]), abs=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_eleven_taps_give_the_numbers_of_current_scikit_image(arrays, size):
    generated, target, mask = golden_case(arrays, size)
    exact = {"rtol": 0, "atol": 1e-12}
    modern = torch.from_numpy(arrays[f"ssim_modern_{size}"])
    torch.testing.assert_close(ssim(generated, target), modern, **exact)
    modern = torch.from_numpy(arrays[f"ssim_masked_modern_{size}"])
    torch.testing.assert_close(mask_ssim(generated, target, mask), modern, **exact)


@pytest.mark.parametrize("shape", [(11, 11), (12, 40), (33, 17)])
def test_equals_scikit_image_on_images_of_any_shape(shape):
    target = torch.randint(0, 256, (3, 3, *shape), dtype=torch.uint8)
    noise = torch.randint(-40, 41, target.shape)
    generated = (target.int() // 2 + 60 + noise).clamp(0, 255).to(torch.uint8)
    expected = [scikit_image(g, t) for g, t in zip(generated, target, strict=True)]
    torch.testing.assert_close(
        ssim(generated, target), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("sample_covariance", [False, True])
@pytest.mark.parametrize("taps", [3, 7, 51])
def test_a_uniform_window_equals_scikit_image(taps, sample_covariance):
    generated, target = torch.randint(0, 256, (2, 2, 3, 51, 60), dtype=torch.uint8).unbind()
    given = {"taps": taps, "window": "uniform", "sample_covariance": sample_covariance}
    measured = ssim(generated, target, torch.full((2,), 255.0), **given)
    expected = [
        structural_similarity(
            t.permute(1, 2, 0).numpy(),
            g.permute(1, 2, 0).numpy(),
            win_size=taps,
            use_sample_covariance=sample_covariance,
            channel_axis=-1,
            data_range=255,
        )
        for g, t in zip(generated, target, strict=True)
    ]
    torch.testing.assert_close(
        measured, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12
    )
    scaled = ssim(generated.double() / 255, target.double() / 255, torch.ones(2), **given)
    torch.testing.assert_close(scaled, measured, rtol=0, atol=1e-11)
    mask = torch.rand(2, 51, 60) > 0.3
    masked = mask_ssim(generated, target, mask, torch.full((2,), 255.0), **given)
    black = [images * mask[:, None] for images in (generated, target)]
    assert torch.equal(masked, ssim(*black, torch.full((2,), 255.0), **given))


@pytest.mark.parametrize(
    ("window", "taps", "size", "message"),
    [
        ("gaussian", 12, 60, "11 or 13"),
        ("uniform", 8, 60, "odd"),
        ("uniform", 1, 60, "odd"),
        ("uniform", 51, 50, "at least 51 rows"),
    ],
)
def test_refuses_a_window_that_does_not_exist_or_fit(window, taps, size, message):
    image = torch.zeros(1, 3, size, 60, dtype=torch.uint8)
    with pytest.raises(ValueError, match=message):
        ssim(image, image, taps=taps, window=window)


@pytest.mark.parametrize("taps", [11, 13])
def test_equals_the_definition_in_slow_loops(taps):
    target, generated = torch.rand(2, 1, 1, 14, 13, dtype=torch.float64).unbind()
    radius = taps // 2
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / 4.5)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    x = np.pad(generated[0, 0].numpy(), radius, mode="symmetric")
    y = np.pad(target[0, 0].numpy(), radius, mode="symmetric")
    spread = x.max() - x.min()
    c1, c2 = (0.01 * spread) ** 2, (0.03 * spread) ** 2
    values = []
    for row in range(5, 14 - 5):
        for column in range(5, 13 - 5):
            here = np.s_[row : row + taps, column : column + taps]
            a, b = (weights * x[here]).sum(), (weights * y[here]).sum()
            variances = (weights * ((x[here] - a) ** 2 + (y[here] - b) ** 2)).sum()
            covariance = (weights * (x[here] - a) * (y[here] - b)).sum()
            values.append(
                (2 * a * b + c1) / (a**2 + b**2 + c1) * (2 * covariance + c2) / (variances + c2)
            )
    assert ssim(generated, target, taps=taps).item() == pytest.approx(np.mean(values), abs=1e-12)


def test_does_not_depend_on_the_batch():
    generated = torch.randint(0, 256, (4, 3, 20, 16), dtype=torch.uint8)
    generated[1] //= 3  # another data range than its neighbours
    target = torch.randint(0, 256, (4, 3, 20, 16), dtype=torch.uint8)
    together = ssim(generated, target)
    alone = torch.cat([ssim(generated[i : i + 1], target[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-14)


def test_is_the_same_for_bytes_and_for_floats_on_any_scale():
    generated = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    target = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(
        ssim(generated.double() / 255, target.double() / 255),
        ssim(generated, target),
        rtol=0,
        atol=1e-12,
    )


def test_a_given_data_range_is_used():
    generated = torch.randint(50, 150, (2, 3, 16, 16), dtype=torch.uint8)
    target = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    own = (generated.amax((1, 2, 3)).double() - generated.amin((1, 2, 3)).double()).float()
    torch.testing.assert_close(ssim(generated, target, own), ssim(generated, target))
    full = ssim(generated, target, torch.full((2,), 255.0))
    assert (full != ssim(generated, target)).all()


def test_an_image_of_a_single_value_is_scored_without_nan():
    flat = torch.full((1, 3, 16, 16), 90, dtype=torch.uint8)
    photo = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    assert 0 < ssim(flat, photo).item() < 0.1
    assert ssim(flat, flat).item() == 1


def test_the_masked_score_does_not_see_what_lies_outside_the_mask():
    generated, target, other = torch.randint(0, 256, (3, 1, 3, 24, 20), dtype=torch.uint8).unbind()
    mask = torch.zeros(1, 24, 20, dtype=torch.bool)
    mask[:, 4:18, 6:15] = True
    elsewhere = torch.where(mask[:, None], generated, other)
    assert torch.equal(mask_ssim(generated, target, mask), mask_ssim(elsewhere, target, mask))
    everything = torch.ones_like(mask)
    assert torch.equal(mask_ssim(generated, target, everything), ssim(generated, target))


def test_refuses_images_that_are_smaller_than_the_window():
    image = torch.zeros(1, 3, 10, 30, dtype=torch.uint8)
    with pytest.raises(ValueError, match="10x30"):
        ssim(image, image)
