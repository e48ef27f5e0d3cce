"""Structural similarity (SSIM) of the whole image and of the person alone."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

_SIGMA = 1.5
_BORDER = 5
_K1, _K2 = 0.01, 0.03

Window = Literal["gaussian", "uniform"]
Images = UInt8[Tensor, "batch channels height width"] | Float[Tensor, "batch channels height width"]


def ssim(
    generated: Images,
    target: Images,
    data_range: Float[Tensor, "batch"] | None = None,
    taps: int = 11,
    window: Window = "gaussian",
    sample_covariance: bool = False,
) -> Float[Tensor, "batch"]:
    """Compute the structural similarity of each generated image to its target, in float64.

    Args:
        generated: Generated images on a scale whose black is 0, usually 0 to 255.
        target: Real images on the same scale.
        data_range: Brightest minus darkest value that counts as full contrast; by default that of
            each generated image (of its target if the generated image has a single value).
        taps: Width of the window. Gaussian: 11 as in current scikit-image, or 13 as before its
            0.15, which the authors used; the two differ by up to 6e-4. Uniform: any odd number
            from 3.
        window: "gaussian" with sigma 1.5, or "uniform", the default of scikit-image.
        sample_covariance: Divide variances by the number of pixels in the window minus 1, the
            default of scikit-image.

    Returns:
        One number per image, 1 for identical images. The border is ignored: 5 px with a Gaussian
        window, half the window with a uniform one.

    Source:
        Wang et al., "Image Quality Assessment", IEEE TIP 2004: sigma 1.5, population covariance,
        mean over colour channels. The authors take the data range of the generated image: outputs
        of low contrast are compared more strictly, and the two arguments do not commute.
    """
    if window == "gaussian" and taps not in (11, 13):
        raise ValueError(f"taps must be 11 or 13, got {taps}.")
    if window == "uniform" and (taps < 3 or taps % 2 == 0):
        raise ValueError(f"taps of a uniform window must be odd and at least 3, got {taps}.")
    least = 2 * _BORDER + 1 if window == "gaussian" else taps
    if min(generated.shape[-2:]) < least:
        height, width = generated.shape[-2:]
        raise ValueError(f"SSIM needs at least {least} rows and columns, got {height}x{width}.")
    x, y = generated.double(), target.double()
    if data_range is None:
        spread = _spread(x)
        data_range = torch.where(spread > 0, spread, _spread(y).clamp(min=1))
    scale = data_range.double().to(x.device)[:, None, None, None]
    c1, c2 = (_K1 * scale) ** 2, (_K2 * scale) ** 2

    blur = _blur if window == "gaussian" else _average
    moments = blur(torch.stack([x, y, x * x, y * y, x * y]), taps)
    mean_x, mean_y, square_x, square_y, product = moments.unbind()
    variance = square_x - mean_x**2 + square_y - mean_y**2
    covariance = product - mean_x * mean_y
    if sample_covariance:
        pixels = taps**2
        variance, covariance = (part * (pixels / (pixels - 1)) for part in (variance, covariance))
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance + c2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def mask_ssim(
    generated: Images,
    target: Images,
    mask: Bool[Tensor, "batch height width"],
    data_range: Float[Tensor, "batch"] | None = None,
    taps: int = 11,
    window: Window = "gaussian",
    sample_covariance: bool = False,
) -> Float[Tensor, "batch"]:
    """Compute the structural similarity of the person, with both images black elsewhere.

    The black background counts as perfect similarity, so values of unrelated people reach 0.66 and
    more: compare only values under the same masks.

    Args:
        generated: Generated images on a scale whose black is 0.
        target: Real images on the same scale.
        mask: The person in the target pose (see `evaluation.person_mask`).
        data_range: As in `ssim`; by default that of each masked generated image.
        taps: As in `ssim`.
        window: As in `ssim`.
        sample_covariance: As in `ssim`.

    Source:
        Ma et al., "Pose Guided Person Image Generation", NIPS 2017.
    """
    person = mask[:, None]
    return ssim(generated * person, target * person, data_range, taps, window, sample_covariance)


def _spread(images: Tensor) -> Tensor:
    return images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3))


def _blur(images: Tensor, taps: int) -> Tensor:
    """Convolve with a Gaussian; positions within 5 px of the border are dropped."""
    radius = taps // 2
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype)
    weights = torch.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights = weights / weights.sum()
    # 13 taps reach one pixel beyond the edge, where scikit-image reflects: it is the edge pixel.
    margin = radius - _BORDER
    planes = F.pad(images.flatten(0, -4), (margin,) * 4, mode="replicate")
    # Shifted sums take a fifth of the time of F.conv2d, which is not optimized for float64.
    for axis in (-2, -1):
        length = planes.shape[axis] - 2 * radius
        blurred = torch.zeros_like(planes.narrow(axis, 0, length))
        for tap, weight in enumerate(weights.tolist()):
            blurred.add_(planes.narrow(axis, tap, length), alpha=weight)
        planes = blurred
    return planes.view(*images.shape[:-2], *planes.shape[-2:])


def _average(images: Tensor, taps: int) -> Tensor:
    """Compute the mean of every window that lies entirely inside the image."""
    for axis in (-2, -1):
        # Differences of cumulative sums: the cost does not depend on the window size, and integers,
        # such as squared bytes, stay exact.
        sums = F.pad(images.movedim(axis, -1).cumsum(dim=-1), (1, 0))
        images = (sums[..., taps:] - sums[..., :-taps]).movedim(-1, axis)
    return images / taps**2
