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
from deformgan.models.field_network import FieldNetwork, SourceLook
from deformgan.models.layers import (
    Detail,
    Fields,
    Hold,
    Layers,
    LayersConfig,
    mix,
    resize,
    resize_field,
    resize_pose,
    sample_at,
)
from deformgan.models.learned_affine import AffineRefinement, LearnedAffine, warp_whole
from deformgan.pair import View
from deformgan.part_field import SOFTNESS, own_places, part_distances, part_field
from deformgan.parts import Convention, part_masks, unit_length
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.setting import read_skeleton_setting

Warp = Literal["parts", "global", "learned", "none"]
Want = Literal["picture", "layers", "held", "free", "fields"]

NOISY_BLOCKS = 3  # of the decoder, from the bottleneck up
_HARD = 1e-3  # a softness at which the nearest part decides alone
_HOLD: dict[Want, Hold] = {"held": "all", "free": "nothing"}


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
        layers: Makes the output a stack of layers at the photo's own resolution (see `Layers`);
            None for the paper's output.
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
    layers: LayersConfig | None = None

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
        if self.layers is not None and not (self.blend and self.warp == "parts"):
            raise ValueError(
                "layers begin with parts and a blended photo: set warp parts and blend."
            )
        if self.layers is not None and self.upsampling != "resize":
            raise ValueError("layers come in any shape: their upsampling must be resize.")
        if self.layers is not None:
            least = max(self.stride, self.layers.stride)
            if self.layers.rows < least:
                raise ValueError(
                    f"layers.rows must be at least {least} for so many levels, got "
                    f"{self.layers.rows}."
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
        if config.layers is not None:
            shown = joints + len(self.skeleton.parts) + 3
            if config.layers.correction:
                # What the photo alone decides needs one level less: it moves nothing.
                self.look = SourceLook(shown, config.layers.field_widths[:-1])
                self.field = FieldNetwork(shown + 2, config.layers.field_widths)
                self.field.begin()
            self.detail = Detail(inputs + widths[0], config.layers.detail_widths)
            init_weights(self.detail)
            self.detail.begin()

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
        want: Want = "picture",
    ) -> Float[Tensor, "batch 3 height width"] | Layers | Fields:
        """Paints the person of `source` in the target pose.

        Args:
            source: Height and width must be multiples of `config.stride`, but for layers.
            target_pose: In pixels of the image to be generated, which has the source's size.
            noise: Turns dropout on, also outside training.
            background: The scene to paint it in, RGB in [-1, 1], where the configuration has one.
            want: Of a generator with layers, for training: "layers", of which truth teaches the
                mattes; "held" or "free" ones, see `Hold`; or the "fields" alone.

        Returns:
            RGB in [-1, 1], or what is wanted.
        """
        if self.config.layers is not None:
            if want == "fields":
                return self.fields(*self.at_network_size(source, target_pose))
            hold = _HOLD.get(want, "source")
            layers = self.layers(source, target_pose, noise=noise, background=background, hold=hold)
            return layers.picture if want == "picture" else layers
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
                self._heatmaps(pose, size) for pose in (source_pose, target_pose)
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
            painted = block(features, noise)
            if painted.shape[2:] != skip.shape[2:]:  # an odd number of rows or columns was halved
                painted = F.interpolate(painted, skip.shape[2:], mode="nearest")
            decoder.append(painted)
            features = torch.cat([painted, skip], dim=1)
        if self.config.layers is not None:
            output = features
        elif self.config.blend:
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

    def network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width at which a layered generator looks at images of a size.

        Its rows, and columns in proportion, rounded to what the warped skips can halve, and at
        least as many as all levels need.
        """
        assert self.config.layers is not None
        rows, step = self.config.layers.rows, 2 ** max(self.config.warped_levels, 1)
        columns = round(rows * size[1] / size[0] / step) * step
        least = max(self.config.stride, self.config.layers.stride)
        return rows, max(columns, -(-least // step) * step)

    def look_at(
        self,
        image: Float[Tensor, "batch 3 height width"],
        heatmaps: Float[Tensor, "batch joints height width"],
        pose: Pose,
    ) -> tuple[Tensor, Tensor]:
        """Return what the source photo alone says to the field: features and its matte's logits.

        Args:
            image: At the network's size.
            heatmaps: Of its pose.
            pose: In its pixels.
        """
        near = self._near(pose, (image.shape[2], image.shape[3]))
        return self.look(torch.cat([image, heatmaps, near], dim=1))

    def _heatmaps(self, pose: Pose, size: tuple[int, int]) -> Float[Tensor, "batch joints _ _"]:
        return render_heatmaps(pose, size, self.config.heatmap_sigma, self.config.heatmap_kind)

    def _near(
        self, pose: Pose, size: tuple[int, int], distance: Tensor | None = None
    ) -> Float[Tensor, "batch parts _ _"]:
        """Say how far every pixel is from every part, in units of the pose, 1 at most."""
        if distance is None:
            distance = part_distances(pose, self.skeleton, size)
        unit = unit_length(pose, self.skeleton).clamp(min=1)[:, None, None, None]
        return (distance / unit).clamp(max=1)

    def source_matte(self, source: View) -> Float[Tensor, "batch 1 height width"] | None:
        """Find the person of a photo.

        Args:
            source: A photo of any size, and its pose.

        Returns:
            How much of every pixel is person, in [0, 1], at the size at which the network looks at
            the photo; None of a generator whose field is not corrected, which looks at none.
        """
        config = self.config
        if config.layers is None or not config.layers.correction:
            return None
        small, pose, _ = self.at_network_size(source, source.pose)
        maps = self._heatmaps(pose, (small.shape[2], small.shape[3]))
        return torch.sigmoid(self.look_at(small, maps, pose)[1])

    def fields(
        self,
        image: Float[Tensor, "batch 3 height width"],
        source_pose: Pose,
        target_pose: Pose,
        guide: Guide | None = None,
    ) -> Fields:
        """Find where the target's surface is in the source, whether it is seen, and the mattes.

        Args:
            image: The source photo at the network's size.
            source_pose: In its pixels.
            target_pose: In pixels of the target at the same size.
            guide: Heat maps of both, where they are known already.
        """
        layers = self.config.layers
        assert layers is not None
        size = (image.shape[2], image.shape[3])
        with torch.no_grad():
            softness = SOFTNESS if layers.base == "soft" else _HARD
            distance = part_distances(target_pose, self.skeleton, size)
            base = part_field(
                source_pose, target_pose, self.skeleton, size, softness, distance=distance
            )
            near = self._near(target_pose, size, distance)
            if not layers.correction:
                # Copied where a part is, of a person who is all there.
                nearest = near.amin(dim=1, keepdim=True)
                inside = 6 - 12 * (nearest / SOFTNESS).clamp(max=1)
                return Fields(base, base, torch.zeros_like(inside), inside, 6 + 0 * inside)
            if guide is None:
                maps = [self._heatmaps(pose, size) for pose in (source_pose, target_pose)]
            else:
                maps = [guide.source_heatmaps, guide.target_heatmaps]
            unit = unit_length(target_pose, self.skeleton).clamp(min=1)[:, None, None, None]
            moved, ways = sample_at(image, base, size), base - own_places(size, base)
            shown = [moved, maps[1], near, ways / unit]
        features, source_matte = self.look_at(image, maps[0], source_pose)
        field, planes = self.field(torch.cat(shown, dim=1), base, image, features)
        return Fields(base, field, *planes.split(1, dim=1), source_matte)

    def layers(
        self,
        source: View,
        target_pose: Pose,
        size: tuple[int, int] | None = None,
        *,
        noise: Noise | None = None,
        background: Float[Tensor, "batch 3 height width"] | None = None,
        hold: Hold = "source",
    ) -> Layers:
        """Paint a picture of any size, layer by layer.

        Args:
            source: A photo of any size, and its pose.
            target_pose: In pixels of a target image of the photo's size.
            size: Height and width of the picture, which covers the target image's area; by default
                the photo's.
            noise: See `forward`.
            background: See `forward`; of any size.
            hold: What gradients of the picture must not reach: left to losses that like blur, what
                decides between the layers would turn to paint.
        """
        image = source.image
        size = size or (image.shape[2], image.shape[3])
        small, source_pose, target_pose = self.at_network_size(source, target_pose)
        guide = self.guide(source_pose, target_pose, (small.shape[2], small.shape[3]))
        fields = self.fields(small, source_pose, target_pose, guide)
        if background is not None:
            background = resize(background, (small.shape[2], small.shape[3]))
        features = self.paint(small, guide, noise, background).output
        return self.compose(image, small, fields, features, size, hold)

    def at_network_size(self, source: View, target_pose: Pose) -> tuple[Tensor, Pose, Pose]:
        """Return photo, source pose and target pose as a layered generator looks at them."""
        before = (source.image.shape[2], source.image.shape[3])
        size = self.network_size(before)
        source_pose = resize_pose(source.pose, before, size)
        return resize(source.image, size), source_pose, resize_pose(target_pose, before, size)

    def compose(
        self,
        photo: Float[Tensor, "batch 3 _ _"],
        small: Float[Tensor, "batch 3 height width"],
        fields: Fields,
        features: Float[Tensor, "batch channels height width"],
        size: tuple[int, int],
        hold: Hold = "source",
    ) -> Layers:
        """Put a picture together.

        Args:
            photo: The source photo at its own size.
            small: At the network's.
            fields: See `fields`.
            features: Of the decoder, before the next activation.
            size: Height and width of the picture.
            hold: See `layers`.
        """
        layers = self.config.layers
        assert layers is not None
        net = (small.shape[2], small.shape[3])
        fine = (2 * net[0], 2 * net[1])
        field = fields.source_from_target
        visible, matte = fields.visible, fields.matte
        # Nothing is read across the source's own outline.
        copies, outlines = layers.decision
        of_person = sample_at(torch.sigmoid(outlines * fields.source_matte), field, net)
        if hold != "nothing":
            of_person = of_person.detach()
        copied = torch.sigmoid(visible) * of_person * torch.sigmoid(matte)
        if hold == "all":
            copied = copied.detach()
        if not layers.copy:
            copied = copied * 0
        features = F.relu(features)
        look = torch.cat([features, sample_at(small, field, net), copied], dim=1)
        mixed = F.relu(self.mix(look))
        painted = self.head(mixed)[:, :3].float()

        field_fine = resize_field(field, fine)
        copy = sample_at(photo, field_fine, net)
        weights = torch.cat([torch.sigmoid(visible), torch.sigmoid(matte)], dim=1)
        changes = self.detail(
            torch.cat([features, mixed], dim=1), copy.detach(), resize(weights, fine).detach()
        )
        changes = [change.float() for change in changes]
        painted = resize(painted, fine)
        paint, scene = torch.tanh(painted + changes[0]), torch.tanh(painted + changes[1])
        logits = resize(torch.cat([visible, matte], dim=1), fine) + torch.cat(changes[2:], dim=1)
        if size != fine:
            paint, scene, logits = (resize(plane, size) for plane in (paint, scene, logits))
            copy = sample_at(photo, resize_field(field, size), net)
        visible = torch.sigmoid(copies * logits[:, :1]) * resize(of_person, size)
        matte = torch.sigmoid(outlines * logits[:, 1:])
        if not layers.copy:
            visible = visible * 0
        # Held, what decides is taught by its truth alone, which looks at the logits.
        held = hold == "all"
        share, inside = (plane.detach() if held else plane for plane in (visible, matte))
        picture = mix(inside, mix(share, copy, paint), scene)
        return Layers(picture, copy, paint, scene, visible, matte, logits, fields)

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
