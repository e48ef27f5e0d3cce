"""Sharpness of the person: detects blur, which SSIM, L1 and PSNR reward."""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)


def sharpness(
    images: UInt8[Tensor, "batch 3 height width"], mask: Bool[Tensor, "batch height width"]
) -> Float[Tensor, "batch"]:
    """Compute the root mean square of the person's luma gradient, in float64.

    It is invariant to brightness (unless values saturate) and proportional to contrast. Upscaling
    an image by 2 without new detail about halves it: compare only images of equal size.

    Args:
        images: RGB.
        mask: The person (see `evaluation.person_mask`). Only differences between two pixels of the
            person count; the background and the edge of the mask do not.

    Returns:
        One number per image, in grey levels (of 255) per pixel; NaN where the mask contains no two
        neighbouring pixels.

    Source:
        The gradient energy of autofocus (Subbarao et al., "Focusing Techniques", 1993), with the
        luma of BT.601. The variance of the Laplacian, the other usual choice, is dominated by
        noise: on 64x128 video frames, noise of 5 grey levels multiplies its root by 2.7 and this
        metric by 1.35; JPEG of quality 50 multiplies them by 1.17 and 1.03. Both detect a blur of
        1 px.
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
    """Compute the sharpness of the generated person relative to that of the real one.

    1 is best: less means blur, more means noise or false edges. Like `sharpness`, it depends on
    contrast: a pale image is less sharp.

    Args:
        generated: Generated images.
        target: Real photos of the same size.
        mask: The person in the target pose, for both images.

    Returns:
        One number per image; NaN where the mask is empty or the real person is of uniform grey.
    """
    real = sharpness(target, mask)
    return sharpness(generated, mask) / torch.where(real > 0, real, torch.nan)
