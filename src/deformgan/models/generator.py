"""Generator: a source view and a target pose in, the photo of that person in that pose out."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.affine import FitMethod, Frame, global_transform, normalize, part_transforms
from deformgan.deformable_skip import Aggregation, Interpolation, overlay_parts, warp_parts
from deformgan.heatmap import HeatmapKind, render_heatmaps
from deformgan.models.blocks import Down, Noise, Norm, Up, Upsampling, init_weights
from deformgan.models.learned_affine import AffineRefinement, LearnedAffine, warp_whole
from deformgan.pair import View
from deformgan.parts import Convention, part_masks
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.setting import read_skeleton_setting

Warp = Literal["parts", "global", "learned", "none"]

NOISY_BLOCKS = 3  # of the decoder, from the bottleneck up


@dataclass(frozen=True)
class GeneratorConfig:
    """The shape of a generator; the defaults are the paper's for 128x64 images.

    Attributes:
        encoder_widths: Channels of each encoder level, full resolution first; each further level
            halves it.
        decoder_widths: Channels of each decoder block, coarsest first; one fewer than levels.
        streams: 2: source (image and its pose) and target pose apart. 1: the paper's baseline, one
            encoder over everything, with plain skips.
        warp: What moves the source stream's skips: ten "parts", one "global" transform without
            masks, one "learned" from both poses (see `LearnedAffine`), or "none".
        warped_levels: How many levels, from full resolution, have warped skips.
        aggregation: How parts meet in a warped skip.
        interpolation: How warped features are read.
        norm: Per channel ("instance"), or the reference's over all channels ("joint").
        upsampling: The paper's "transposed" convolutions or "resize".
        blend: Lets the warped photo itself skip to the output under a learned mask.
        heatmap_sigma: In pixels.
        heatmap_kind: See `render_heatmaps`.
        fit: See `fit_affine`.
        frame: See `normalize`; a learned transform is always in the half-pixel frame.
        convention: See `part_masks`.
        skeleton: Of the poses; see `skeleton_setting`.
        refine: Lets a small network correct the parts' transforms (see `AffineRefinement`).
        background: Whether a photo of the scene goes into the target stream beside the pose.
    """

    encoder_widths: tuple[int, ...] = (64, 128, 256, 512, 512, 512)
    decoder_widths: tuple[int, ...] = (512, 512, 512, 256, 128)
    streams: Literal[1, 2] = 2
    warp: Warp = "parts"
    warped_levels: int = 4
    aggregation: Aggregation = "max"
    interpolation: Interpolation = "bilinear"
    norm: Norm = "instance"
    upsampling: Upsampling = "transposed"
    blend: bool = False
    heatmap_sigma: float = 6.0
    heatmap_kind: HeatmapKind = "gaussian"
    fit: FitMethod = "least_squares"
    frame: Frame = "half_pixel"
    convention: Convention = "deformgan"
    skeleton: str = "openpose18"
    refine: bool = False
    background: bool = False

    def __post_init__(self):
        if len(self.decoder_widths) != len(self.encoder_widths) - 1:
            raise ValueError(
                f"{len(self.encoder_widths)} encoder levels need {len(self.encoder_widths) - 1} "
                f"decoder blocks, got {len(self.decoder_widths)}."
            )
        if self.streams == 1 and self.warp != "none":
            raise ValueError("one stream mixes both poses before any skip: its warp must be none.")
        if self.streams == 1 and self.background:
            raise ValueError("a background goes into the target stream: one stream has none.")
        if self.blend and self.warp == "none":
            raise ValueError(
                "blend needs a photo that was moved: its warp must be parts, global or learned."
            )
        if self.refine and self.warp != "parts":
            raise ValueError(
                f"refine corrects the transforms of parts: its warp must be parts, not {self.warp}."
            )
        if (self.refine or self.warp == "learned") and self.interpolation == "nearest":
            raise ValueError(
                "nearest sampling teaches a transform nothing: a learned or refined one needs "
                "bilinear."
            )

    @property
    def stride(self) -> int:
        """Image pixels per pixel of the bottleneck; height and width must be multiples of it."""
        return 2 ** (len(self.encoder_widths) - 1)


@dataclass(frozen=True)
class Guide:
    """All that the generator learns of the two poses.

    Attributes:
        source_heatmaps: Joints of the source.
        target_heatmaps: Joints that are asked for.
        transforms: `source_from_target` of every part for each warped level, normalized.
        masks: Where each part is in the target for each warped level, empty for a part without a
            transform.
    """

    source_heatmaps: Float[Tensor, "batch joints height width"]
    target_heatmaps: Float[Tensor, "batch joints height width"]
    transforms: list[Float[Tensor, "batch parts 2 3"]]
    masks: list[Tensor]


@dataclass(frozen=True)
class Activations:
    """Every feature map of a forward pass, before its next activation.

    Attributes:
        source: Of the source stream (of the only one in the baseline), full resolution first.
        target: Of the target stream; empty in the baseline.
        skips: What the decoder is handed at each level but the deepest, full resolution first.
        decoder: Of each decoder block, coarsest first.
        output: The generated image.
    """

    source: list[Tensor]
    target: list[Tensor]
    skips: list[Tensor]
    decoder: list[Tensor]
    output: Tensor


class Generator(nn.Module):
    """U-Net with two encoder streams whose source skips are deformed into the target pose.

    Source:
        Section 3 and the implementation details, as far as `GeneratorConfig` is left alone; layer
        order as in the authors' code. Any height and width that `stride` divides.
    """

    def __init__(self, config: GeneratorConfig = GeneratorConfig()):
        super().__init__()
        self.config = config
        joints = len(self.skeleton.joints)
        widths = config.encoder_widths
        if config.streams == 2:
            self.source_encoder = _encoder(3 + joints, widths, config.norm)
            shown = joints + (3 if config.background else 0)
            self.target_encoder = _encoder(shown, widths, config.norm)
        else:
            self.source_encoder = _encoder(3 + 2 * joints, widths, config.norm)
        blocks, inputs = [], config.streams * widths[-1]
        for place, outputs in enumerate(config.decoder_widths):
            noisy = place < NOISY_BLOCKS
            blocks.append(Up(inputs, outputs, config.norm, noisy, config.upsampling))
            inputs = outputs + config.streams * widths[-2 - place]
        self.decoder = nn.ModuleList(blocks)
        if config.blend:
            # Photo and paint meet here, so this head sees both before it decides.
            self.mix = nn.Conv2d(inputs + 4, widths[0], 3, padding=1)
            self.head = nn.Conv2d(widths[0], 4, 3, padding=1)
        else:
            self.head = nn.Conv2d(inputs, 3, 3, padding=1)
        init_weights(self)
        # Last, so that from one seed the convolutions are the same with and without.
        if config.warp == "learned":
            self.learned_affine = LearnedAffine(joints)
        if config.refine:
            self.refinement = AffineRefinement(joints, len(self.skeleton.parts))

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses it understands."""
        return read_skeleton_setting(self.config.skeleton)

    def forward(
        self,
        source: View,
        target_pose: Pose,
        noise: Noise | None = None,
        background: Float[Tensor, "batch 3 height width"] | None = None,
    ) -> Float[Tensor, "batch 3 height width"]:
        """Paints the person of `source` in the target pose.

        Args:
            source: Height and width must be multiples of `config.stride`.
            target_pose: In pixels of the image to be generated, which has the source's size.
            noise: Turns dropout on, also outside training.
            background: The scene to paint it in, RGB in [-1, 1], where the configuration has one.

        Returns:
            RGB in [-1, 1].
        """
        size = (source.image.shape[-2], source.image.shape[-1])
        if size[0] % self.config.stride or size[1] % self.config.stride:
            raise ValueError(
                f"height and width must be multiples of {self.config.stride}, got {size}."
            )
        guide = self.guide(source.pose, target_pose, size)
        return self.paint(source.image, guide, noise, background).output

    def guide(self, source_pose: Pose, target_pose: Pose, size: tuple[int, int]) -> Guide:
        """Computes what the poses say: heat maps, transforms and masks.

        Args:
            source_pose: In pixels.
            target_pose: In pixels.
            size: Height and width of both images.
        """
        config = self.config
        with torch.no_grad():
            source_heatmaps, target_heatmaps = (
                render_heatmaps(pose, size, config.heatmap_sigma, config.heatmap_kind)
                for pose in (source_pose, target_pose)
            )
        if config.warp == "none":
            return Guide(source_heatmaps, target_heatmaps, [], [])
        transforms, found = self._transforms(source_pose, target_pose, size)
        masks = []
        for level in range(config.warped_levels):
            stride = 2**level
            if config.warp == "parts":
                mask = part_masks(target_pose, self.skeleton, size, stride, config.convention)
            else:
                mask = torch.ones_like(target_heatmaps[:, :1, ::stride, ::stride]).bool()
            masks.append(mask & found[:, :, None, None])
        return Guide(source_heatmaps, target_heatmaps, transforms, masks)

    def _transforms(
        self, source_pose: Pose, target_pose: Pose, size: tuple[int, int]
    ) -> tuple[list[Tensor], Tensor]:
        """Gives the transforms of every warped level, and which parts have one."""
        config, levels = self.config, range(self.config.warped_levels)
        if config.warp == "learned":
            learned = self.learned_affine(source_pose, target_pose, size)
            return [learned for _ in levels], torch.ones_like(learned[..., 0, 0]).bool()
        fit = part_transforms if config.warp == "parts" else global_transform
        with torch.no_grad():
            # Fits are cheap, and nearest sampling decides at exact halves: double precision.
            poses = (source_pose.to(torch.float64), target_pose.to(torch.float64))
            moves, found = fit(*poses, self.skeleton, config.fit)
        if config.refine:
            correction = self.refinement(source_pose, target_pose, size)
            moves = moves + correction.where(found[..., None, None], 0)
        return [normalize(moves, size, config.frame, 2**level) for level in levels], found

    def paint(
        self,
        image: Float[Tensor, "batch 3 height width"],
        guide: Guide,
        noise: Noise | None = None,
        background: Float[Tensor, "batch 3 height width"] | None = None,
    ) -> Activations:
        """Runs the network and keeps every feature map.

        Args:
            image: The source photo, in [-1, 1].
            guide: See `guide`.
            noise: See `forward`.
            background: See `forward`.
        """
        if (background is not None) != self.config.background:
            raise ValueError(
                f"this generator takes {'a' if self.config.background else 'no'} background."
            )
        if self.config.streams == 1:
            everything = torch.cat([image, guide.source_heatmaps, guide.target_heatmaps], dim=1)
            source, target = _encode(self.source_encoder, everything), []
            skips = source
        else:
            source = _encode(self.source_encoder, torch.cat([image, guide.source_heatmaps], dim=1))
            # Pose first, then the scene, as in the authors' code.
            asked = guide.target_heatmaps
            asked = asked if background is None else torch.cat([asked, background], dim=1)
            target = _encode(self.target_encoder, asked)
            skips = []
            for level, (moved, still) in enumerate(zip(source, target, strict=True)):
                if level < len(guide.transforms):
                    moved = self._warp(moved, guide, level)  # noqa: PLW2901
                skips.append(torch.cat([moved, still], dim=1))
        *skips, features = skips
        decoder = []
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            decoder.append(block(features, noise))
            features = torch.cat([decoder[-1], skip], dim=1)
        if self.config.blend:
            output = self._blend(image, guide, features)
        else:
            output = torch.tanh(self.head(F.relu(features)))
        return Activations(source, target, skips, decoder, output)

    def _warp(self, features: Tensor, guide: Guide, level: int) -> Tensor:
        if self.config.warp == "learned":
            return warp_whole(features, guide.transforms[level])
        return warp_parts(
            features,
            guide.transforms[level],
            guide.masks[level],
            self.config.interpolation,
            self.config.aggregation,
        )

    def _blend(self, image: Tensor, guide: Guide, features: Tensor) -> Tensor:
        """Ours, not the paper's: `a * moved photo + (1 - a) * paint`, a learned."""
        photo, known = overlay_parts(image, guide.transforms[0], guide.masks[0])
        features = torch.cat([F.relu(features), photo, known], dim=1)
        painted, opacity = self.head(F.relu(self.mix(features))).split([3, 1], dim=1)
        opacity = torch.sigmoid(opacity) * known
        return opacity * photo + (1 - opacity) * torch.tanh(painted)


def _encoder(inputs: int, widths: tuple[int, ...], norm: Norm) -> nn.ModuleList:
    """First level: a plain 3x3 convolution. Last level: no norm."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, widths[0], 3, padding=1)]
    last = len(widths) - 1
    for level, (before, after) in enumerate(pairwise(widths), start=1):
        layers.append(Down(before, after, norm if level < last else None))
    return nn.ModuleList(layers)


def _encode(encoder: nn.ModuleList, features: Tensor) -> list[Tensor]:
    """Gives the features of every level, full resolution first."""
    levels = []
    for layer in encoder:
        features = layer(features)
        levels.append(features)
    return levels
