"""Numbers for how near a generated picture is to the real one; each file is one."""

from collections.abc import Callable

from torch import Tensor

from deformgan.metrics.l1 import l1
from deformgan.metrics.psnr import psnr
from deformgan.metrics.ssim import mask_ssim, ssim

PAIR_METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"ssim": ssim, "l1": l1, "psnr": psnr}
"""(generated, target) -> one number per image."""

MASKED_METRICS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"mask_ssim": mask_ssim}
"""(generated, target, mask of the person) -> one number per image."""
