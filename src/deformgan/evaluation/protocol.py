"""Protocol: everything that a score depends on besides the pictures, under a name."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from io import BytesIO
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from deformgan.errors import InputError
from deformgan.metrics.l1 import l1
from deformgan.metrics.psnr import psnr
from deformgan.metrics.ssim import Window, mask_ssim, ssim
from deformgan.pose import Pose

MARKET = (128, 64)  # (height, width): no protocol changes pictures of this size
DEEPFASHION_SQUARE = (256, 256)
PACKAGES = ("torch", "numpy", "pillow")  # whose versions may move a score
_FLAT = 64  # grey levels: sides of DeepFashion's squares spread less, people on them more

Images = UInt8[Tensor, "batch 3 height width"]
Changed = UInt8[Tensor, "batch 3 _ _"]  # of another size, perhaps
Kernel = Literal["nearest", "bilinear", "bicubic"]


@dataclass(frozen=True)
class Protocol:
    """How pictures are brought to what is compared, and how they are compared.

    Pictures are cut, resized, stored and padded, in this order; those of Market-1501's 128x64
    pixels are only stored, because the rest is for DeepFashion.

    Attributes:
        name: What it is called on the command line.
        source: Whose it is, and which of its settings are our choice because nobody tells.
        cut: Columns that 256x256 pictures lose at the left and at the right: DeepFashion's squares
            are pictures of 256x176 between plain sides.
        size: (height, width) to which pictures are resized; None leaves them.
        kernel: Pillow's name for how pictures are resized.
        antialias: Whether a pixel of a smaller picture averages all that it covers, as Pillow
            does; False for OpenCV's way.
        jpeg: Quality of the JPEG (Pillow's, chroma halved both ways) that generated pictures go
            through before they are compared; None where they are stored without loss.
        jpeg_targets: Whether the real photos go through that JPEG, too.
        pad: White columns that pictures gain at the left and at the right.
        ssim_window: Weights of SSIM's window.
        ssim_taps: Its width.
        ssim_range: Contrast that SSIM calls full: maximum minus minimum of each "generated"
            picture, of the masked one for the masked SSIM; or 255.
        ssim_sample_covariance: See `metrics.ssim`.
        mask: Of the masked metrics: that of Ma et al. from the target pose (see `person_mask`),
            which multiplies both pictures.
        real_images: What FID and KID compare to: the pairs' "targets" or the "training" images.
        inception_splits: Parts of the inception score.
        lpips: Backbone of LPIPS.
        pair_list: The published list of pairs that belongs to it.
    """

    name: str
    source: str
    cut: int = 0
    size: tuple[int, int] | None = None
    kernel: Kernel = "bicubic"
    antialias: bool = True
    jpeg: int | None = None
    jpeg_targets: bool = False
    pad: int = 0
    ssim_window: Window = "gaussian"
    ssim_taps: int = 11
    ssim_range: Literal["generated", "255"] = "generated"
    ssim_sample_covariance: bool = False
    mask: Literal["ma-2017"] = "ma-2017"
    real_images: Literal["targets", "training"] = "targets"
    inception_splits: int = 10
    lpips: Literal["alex", "vgg"] = "alex"
    pair_list: str = "any"

    @property
    def lossless(self) -> bool:
        """Whether generated pictures should come without loss."""
        return self.jpeg is None

    def prepare(
        self,
        generated: Images,
        target: Images,
        target_pose: Pose,
        was_jpeg: Bool[Tensor, "batch"] | None = None,
    ) -> tuple[Changed, Changed, Pose]:
        """Brings generated pictures and real photos to what is compared.

        Args:
            generated: Pictures as the system gave them.
            target: Real photos of the same size.
            target_pose: In pixels of both.
            was_jpeg: Which pictures went through a JPEG already and are spared another one.

        Returns:
            The same, in the frame of the comparison. Coordinates keep their fraction where the
            field's scripts drop it.
        """
        if self.cut and _size(target) == DEEPFASHION_SQUARE:
            _check_sides(target, self.cut, self.name)
        framed = self._frame(generated)
        if self.jpeg is not None:
            stored = _through_jpeg(framed, self.jpeg)
            if was_jpeg is not None:
                stored = torch.where(was_jpeg[:, None, None, None], framed, stored)
            framed = stored
        pose = self._frame_pose(target_pose, _size(target))
        return self._pad(framed), self.prepare_real(target), pose

    def prepare_real(self, photos: Images) -> Changed:
        """Brings real photos to what is compared."""
        framed = self._frame(photos)
        if self.jpeg is not None and self.jpeg_targets:
            framed = _through_jpeg(framed, self.jpeg)
        return self._pad(framed)

    def ssim(self, generated: Images, target: Images) -> Float[Tensor, "batch"]:
        """Compares prepared pictures by structural similarity."""
        return ssim(generated, target, self._range(generated), *self._window)

    def mask_ssim(
        self,
        generated: Images,
        target: Images,
        mask: Bool[Tensor, "batch height width"],
    ) -> Float[Tensor, "batch"]:
        """Compares the person in prepared pictures by structural similarity."""
        return mask_ssim(generated, target, mask, self._range(generated), *self._window)

    def scores(
        self,
        generated: Images,
        target: Images,
        mask: Bool[Tensor, "batch height width"],
    ) -> dict[str, Float[Tensor, "batch"]]:
        """Gives the numbers of every pair that need no network.

        Args:
            generated: Prepared pictures.
            target: Prepared photos.
            mask: The person in the prepared target pose.

        Returns:
            One number per picture for `ssim`, `mask_ssim`, `l1` (on the scale of [-1, 1] in every
            protocol; GFLA's script prints half of it) and `psnr`.
        """
        return {
            "ssim": self.ssim(generated, target),
            "mask_ssim": self.mask_ssim(generated, target, mask),
            "l1": l1(generated, target),
            "psnr": psnr(generated, target),
        }

    def describe(self) -> dict[str, Any]:
        """Tells what defines it and the versions of what computes it, as JSON has it."""
        settings = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
        return settings | {"packages": {name: version(name) for name in PACKAGES}}

    @property
    def _window(self) -> tuple[int, Window, bool]:
        return self.ssim_taps, self.ssim_window, self.ssim_sample_covariance

    def _range(self, generated: Tensor) -> Tensor | None:
        return None if self.ssim_range == "generated" else torch.full((len(generated),), 255.0)

    def _frame(self, images: Images) -> Changed:
        """Cuts and resizes pictures."""
        if _size(images) == MARKET:
            return images
        if self.cut and _size(images) == DEEPFASHION_SQUARE:
            images = images[..., self.cut : -self.cut]
        if self.size is None or _size(images) == self.size:
            return images
        return resize(images, self.size, self.kernel, self.antialias)

    def _frame_pose(self, pose: Pose, size: tuple[int, int]) -> Pose:
        """Cuts, resizes and pads the frame that a pose stands in."""
        if size == MARKET:
            return pose
        cut = self.cut if size == DEEPFASHION_SQUARE else 0
        height, width = size[0], size[1] - 2 * cut
        rows, columns = self.size or (height, width)
        scale = pose.joints.new_tensor([columns / width, rows / height])
        left = pose.joints.new_tensor([cut, 0])
        gained = pose.joints.new_tensor([self.pad, 0])
        # Half a pixel, because (0, 0) is the centre of a pixel, and the frame's edge scales.
        return Pose((pose.joints - left + 0.5) * scale - 0.5 + gained, pose.visible)

    def _pad(self, images: Images) -> Changed:
        if _size(images) == MARKET or not self.pad:
            return images
        return F.pad(images, (self.pad, self.pad), value=255)


# [V] marks what was read in the authors' code or threads, [R] what is recalled from papers.
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="deformgan-1",
            source=(
                "Ours, the default: pictures as they are, SSIM by current scikit-image with the "
                "settings of Siarohin et al., CVPR 2018."
            ),
        ),
        # [V] AliaksandrSiarohin/pose-gan, test.py, run for golden/ssim.npz. Not kept: its targets
        # lose a grey level at 20 of 256 values on the way (see docs/protocols.md).
        Protocol(
            name="pose-gan-2018",
            source=(
                "Siarohin et al., CVPR 2018: their test script under scikit-image 0.13.1. They "
                "report no FID or LPIPS; those settings are our choice."
            ),
            ssim_taps=13,
            pair_list="12,000 of Market-1501's test split; those of DeepFashion's new split",
        ),
        # [V] tengteng95/Pose-Transfer: tool/resize_fashion.py cuts 40 columns; util/util.py saves
        # the strip of five pictures, photo included, by Pillow as JPEG (75 is Pillow's default);
        # tool/getMetrics_fashion.py pads 40 white columns, getMetrics_market.py does not.
        # [V] scikit-image has 11 taps from 0.15 (pull request 3802, 2019); which one they had is
        # our guess.
        Protocol(
            name="patn-2019",
            source=(
                "Zhu et al., CVPR 2019: their metric scripts. 13 taps (scikit-image before 0.15) "
                "are our choice, as are FID and LPIPS, which they do not report."
            ),
            cut=40,
            size=(256, 176),
            jpeg=75,
            jpeg_targets=True,
            pad=40,
            ssim_taps=13,
            pair_list="8,570 of DeepFashion; 12,000 of Market-1501",
        ),
        # [V] RenYurui/Global-Flow-Local-Attention, script/metrics.py (uniform window of 51, range
        # 1 on [0, 1], sample covariance), model/base_model.py (one JPEG per picture); issue 53:
        # high-resolution photos stretched to 256x256; issue 70: bicubic, kept as JPEG; FID
        # against the whole training set (PERSON_IMAGE_GENERATION.md). [R] imageio's quality is 75.
        Protocol(
            name="gfla-2020",
            source=(
                "Ren et al., CVPR 2020: their metric script. The quality of the JPEGs of their "
                "real photos is not known: photos are taken as they come."
            ),
            size=(256, 256),
            jpeg=75,
            ssim_window="uniform",
            ssim_taps=51,
            ssim_range="255",
            ssim_sample_covariance=True,
            real_images="training",
            pair_list="8,570 of DeepFashion; 12,000 of Market-1501",
        ),
        # [V] RenYurui/Neural-Texture-Extraction-Distribution: scripts/prepare_data.py (bicubic,
        # 256x176, PNG), trainers/extraction_distribution_trainer.py (PNG); issue 9: FID against
        # the training set; issue 16, whether of 48,674 or 37,016 photos, was never answered, and
        # the metric scripts were not published (issue 23).
        Protocol(
            name="nted-2022",
            source=(
                "Ren et al., CVPR 2022: their data preparation; SSIM as in their GFLA is our "
                "choice, and so is to cut the sides off DeepFashion's 256x256 pictures where "
                "they start from the high resolution."
            ),
            cut=40,
            size=(256, 176),
            ssim_window="uniform",
            ssim_taps=51,
            ssim_range="255",
            ssim_sample_covariance=True,
            real_images="training",
            pair_list="8,570 of DeepFashion, the split of GFLA",
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """Gives the protocol of that name."""
    if name not in PROTOCOLS:
        raise InputError(f"Unknown protocol {name!r}; choose one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def resize(
    images: Images, size: tuple[int, int], kernel: Kernel = "bicubic", antialias: bool = True
) -> Changed:
    """Resizes pictures; their proportions change with the size.

    Args:
        images: Any number of pictures.
        size: (height, width).
        kernel: By its Pillow name.
        antialias: True for Pillow's way; False looks at the nearest 2x2 or 4x4 pixels only, as
            OpenCV does, also where the picture becomes much smaller.
    """
    if antialias or kernel == "nearest":
        filtering = Image.Resampling[kernel.upper()]
        height, width = size
        return _one_by_one(images, lambda image: image.resize((width, height), filtering))
    resized = F.interpolate(images.float(), size, mode=kernel, align_corners=False)
    return resized.round().clamp(0, 255).to(torch.uint8)


def _through_jpeg(images: Images, quality: int) -> Images:
    """Stores and reads pictures as JPEG."""

    def store(image: Image.Image) -> Image.Image:
        stored = BytesIO()
        image.save(stored, format="JPEG", quality=quality)
        return Image.open(stored)

    return _one_by_one(images, store)


def _one_by_one(images: Images, change: Callable[[Image.Image], Image.Image]) -> Changed:
    """Changes pictures by Pillow."""
    changed = [
        np.array(change(Image.fromarray(image)))
        for image in images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    ]
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).to(images.device)


def _check_sides(photos: Images, columns: int, name: str) -> None:
    """Refuses photos whose sides show more than a plain background; an odd one may."""
    sides = torch.cat([photos[..., :columns], photos[..., -columns:]], dim=-1)
    spread = (sides.amax(dim=(2, 3)) - sides.amin(dim=(2, 3))).amax(dim=1)
    if (spread > _FLAT).float().mean() > 0.25:
        raise InputError(
            f"The protocol {name} cuts {columns} columns off both sides of 256x256 photos, which "
            "are plain in DeepFashion's, but not in these: give it pictures of 256x176 pixels."
        )


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]
