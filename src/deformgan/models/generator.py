"""Generator: generates the photo of a person in a target pose from a source view."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.affine import global_transform, normalize, part_transforms
from deformgan.deformable_skip import (
    overlay_parts,
    warp_densely,
    warp_parts,
)
from deformgan.heatmap import render_heatmaps
from deformgan.models.blocks import Down, Noise, Norm, Up, init_weights
from deformgan.models.encoded import Activations, Encoded, Guide
from deformgan.models.field_network import FieldNetwork, SourceLook
from deformgan.models.generator_config import GeneratorConfig
from deformgan.models.layers import (
    CERTAIN,
    SHOWN,
    Detail,
    Fields,
    Hold,
    Layers,
    Planes,
    mix,
    resize,
    resize_field,
    resize_pose,
    sample_at,
)
from deformgan.models.learned_affine import AffineRefinement, LearnedAffine, warp_whole
from deformgan.pair import View
from deformgan.part_field import SOFTNESS, nearness, own_places, part_distances, part_field
from deformgan.part_geometry import MovedParts
from deformgan.parts import part_masks, unit_length
from deformgan.pose import Pose, Skeleton
from deformgan.push_pull import fill_softly
from deformgan.skeletons.setting import read_skeleton_setting

Want = Literal["picture", "layers", "held", "free", "fields"]

NOISY_BLOCKS = 3  # decoder blocks with dropout, counted from the bottleneck
_HOLD: dict[Want, Hold] = {"held": "all", "free": "nothing"}


class Generator(nn.Module):
    """U-Net with two encoder streams whose source skips are deformed into the target pose.

    Accepts any height and width that are multiples of `config.stride`.

    Source:
        Section 3 and the implementation details with the default `GeneratorConfig`; the order of
        layers follows the authors' code.
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
            # Warped photo and generated image meet here, so the head sees both.
            self.mix = nn.Conv2d(inputs + 4, widths[0], 3, padding=1)
            self.head = nn.Conv2d(widths[0], 4, 3, padding=1)
        else:
            self.head = nn.Conv2d(inputs, 3, 3, padding=1)
        init_weights(self)
        # Created last, so that one seed initializes the convolutions alike with and without them.
        if config.warp == "learned":
            self.learned_affine = LearnedAffine(joints)
        if config.refine:
            self.refinement = AffineRefinement(joints, len(self.skeleton.parts))
        if config.layers is not None:
            shown = joints + len(self.skeleton.parts) + 3
            if config.layers.correction:
                # The source network needs one level less, because it moves nothing.
                self.look = SourceLook(shown, config.layers.field_widths[:-1])
                self.field = FieldNetwork(shown + 2, config.layers.field_widths)
                self.field.begin()
            self.detail = Detail(inputs + widths[0], config.layers.detail_widths)
            init_weights(self.detail)
            self.detail.begin()

    @property
    def skeleton(self) -> Skeleton:
        """Skeleton of the poses."""
        return read_skeleton_setting(self.config.skeleton)

    def forward(
        self,
        source: View | Encoded,
        target_pose: Pose,
        noise: Noise | None = None,
        background: Float[Tensor, "batch 3 height width"] | None = None,
        want: Want = "picture",
    ) -> Float[Tensor, "batch 3 height width"] | Layers | Fields:
        """Generate the person of `source` in the target pose.

        Args:
            source: Source photo and pose, or what `encode` returned for them; one for all target
                poses or one for each. Height and width must be multiples of `config.stride`,
                except with layers.
            target_pose: In pixels of the generated image, which has the source's size.
            noise: Enables dropout in evaluation mode too.
            background: The background to generate the person in, RGB in [-1, 1]; required if
                `config.background` is set.
            want: What a layered generator returns for training: "picture"; "layers", whose source
                matte gets no gradient from the picture; "held" or "free" layers, see `Hold`; or
                "fields" alone.

        Returns:
            RGB in [-1, 1], or the requested `Layers` or `Fields`.
        """
        if self.config.layers is not None:
            if want == "fields":
                assert isinstance(source, View)  # in training, where nothing is kept
                return self.fields(*self.at_network_size(source, target_pose))
            hold = _HOLD.get(want, "source")
            layers = self.layers(source, target_pose, noise=noise, background=background, hold=hold)
            return layers.picture if want == "picture" else layers
        encoded = self._encoded(source, len(target_pose))
        guide = self.guide(encoded.pose, target_pose, encoded.size, encoded.heatmaps)
        return self.paint(encoded.image, guide, noise, background, encoded.levels).output

    def encode(self, source: View, scene: bool = True) -> Encoded:
        """Compute everything that does not depend on the target pose.

        Args:
            source: See `forward`.
            scene: Whether the generator is to paint the scene as well. Otherwise its source stream
                sees the person alone, so that no colour of the scene gets into the person.
        """
        image, pose = source.image, source.pose
        size = (image.shape[2], image.shape[3])
        if self.config.layers is not None:
            image, pose, _ = self.at_network_size(source, pose)
        elif size[0] % self.config.stride or size[1] % self.config.stride:
            raise ValueError(
                f"height and width must be multiples of {self.config.stride}, got {size}."
            )
        with torch.no_grad():
            heatmaps = self.heatmaps(pose, (image.shape[2], image.shape[3]))
        person, levels, look = image, (), ()
        if self.config.layers is not None and self.config.layers.correction:
            look = self.look_at(image, heatmaps, pose)
            person = self.without_scene(image, look[1])
        if self.config.streams == 2:
            levels = self.source_levels(image if scene else person, heatmaps)
        return Encoded(source.image, image, person, pose, heatmaps, tuple(levels), look)

    @torch.no_grad()
    def without_scene(
        self,
        image: Float[Tensor, "batch 3 height width"],
        source_matte: Float[Tensor, "batch 1 height width"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """Replace the scene of photos by the colours of the person that are nearest, smoothly.

        What is painted beside a copied surface would otherwise have colours of the wall that is
        beside it in the photo. Only pixels that are certainly of the person count, since those on
        the outline show some of the wall.

        Args:
            image: Photos at the network's size.
            source_matte: Logits that they show the person.

        Returns:
            The photos themselves where the matte is certain of no pixel.
        """
        assert self.config.layers is not None
        image, outlines = image.float(), self.config.layers.decision[1]
        known = torch.sigmoid(outlines * (source_matte.float() - CERTAIN))
        found = known.amax(dim=(1, 2, 3), keepdim=True) > 0.5
        return torch.where(found, fill_softly(image, known), image)

    def source_levels(
        self,
        image: Float[Tensor, "batch 3 height width"],
        heatmaps: Float[Tensor, "batch joints height width"],
    ) -> list[Tensor]:
        """Compute the features of the source stream, full resolution first.

        Args:
            image: The source photo.
            heatmaps: Heat maps of its pose.
        """
        return _encode(self.source_encoder, torch.cat([image, heatmaps], dim=1))

    def _encoded(self, source: View | Encoded, batch: int) -> Encoded:
        return (source if isinstance(source, Encoded) else self.encode(source)).expand(batch)

    def guide(
        self,
        source_pose: Pose,
        target_pose: Pose,
        size: tuple[int, int],
        source_heatmaps: Float[Tensor, "batch joints height width"] | None = None,
    ) -> Guide:
        """Compute heat maps, transforms and masks from both poses.

        Args:
            source_pose: In pixels.
            target_pose: In pixels.
            size: Height and width of both images.
            source_heatmaps: Heat maps of the source pose, if already computed.
        """
        config = self.config
        with torch.no_grad():
            if source_heatmaps is None:
                source_heatmaps = self.heatmaps(source_pose, size)
            target_heatmaps = self.heatmaps(target_pose, size)
            if self._at_once:
                parts = MovedParts.of(source_pose, target_pose, self.skeleton, size)
                strides = [2**level for level in range(config.warped_levels)]
                moves = [normalize(parts.transforms, size, config.frame, one) for one in strides]
                masks = parts.masks(strides)
                return Guide(source_heatmaps, target_heatmaps, moves, masks, parts)
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

    @property
    def _at_once(self) -> bool:
        """Whether transforms and masks of all parts are computed together, which is faster."""
        config = self.config
        described = (config.warp, config.fit, config.convention, config.refine)
        return described == ("parts", "least_squares", "deformgan", False)

    def _transforms(
        self, source_pose: Pose, target_pose: Pose, size: tuple[int, int]
    ) -> tuple[list[Tensor], Tensor]:
        """Return the transforms of every warped level, and which parts have one."""
        config, levels = self.config, range(self.config.warped_levels)
        if config.warp == "learned":
            learned = self.learned_affine(source_pose, target_pose, size)
            return [learned for _ in levels], torch.ones_like(learned[..., 0, 0]).bool()
        fit = part_transforms if config.warp == "parts" else global_transform
        with torch.no_grad():
            # Float64: fits are cheap, and nearest sampling is sensitive at exact half pixels.
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
        levels: Sequence[Tensor] = (),
    ) -> Activations:
        """Run the network and keep every feature map.

        Args:
            image: The source photo, in [-1, 1].
            guide: See `guide`.
            noise: See `forward`.
            background: See `forward`.
            levels: Features of the source stream, if already computed (see `Encoded`).
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
            source = list(levels) or self.source_levels(image, guide.source_heatmaps)
            # Pose first, then the background, as in the authors' code.
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
            if painted.shape[2:] != skip.shape[2:]:  # the encoder halved an odd number of pixels
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
        if torch.compiler.is_exporting() and self.config.interpolation == "bilinear":
            # No shape of an exported graph may depend on how many pixels the masks have.
            transforms = guide.transforms[level].to(features.dtype)
            return warp_densely(features, transforms, guide.masks[level], self.config.aggregation)
        return warp_parts(
            features,
            guide.transforms[level],
            guide.masks[level],
            self.config.interpolation,
            self.config.aggregation,
        )

    def network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size at which a layered generator processes images of a given size.

        The height is `layers.rows`. The width keeps the proportion, rounded to a multiple that the
        warped skips can halve, and is at least what all levels need.
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
        """Compute the part of the field that depends on the source photo alone.

        Args:
            image: The photo at the network's size.
            heatmaps: Heat maps of its pose.
            pose: In pixels of `image`.

        Returns:
            Features to be warped, and the logits of the source matte.
        """
        distances = part_distances(pose, self.skeleton, (image.shape[2], image.shape[3]))
        near = nearness(distances, unit_length(pose, self.skeleton))
        return self.look(torch.cat([image, heatmaps, near], dim=1))

    def heatmaps(self, pose: Pose, size: tuple[int, int]) -> Float[Tensor, "batch joints _ _"]:
        """Render the heat maps of a pose in pixels of an image of `size`."""
        return render_heatmaps(pose, size, self.config.heatmap_sigma, self.config.heatmap_kind)

    def source_matte(self, source: View) -> Float[Tensor, "batch 1 height width"] | None:
        """Predict the person matte of a photo.

        Args:
            source: A photo of any size, and its pose.

        Returns:
            Coverage by the person in [0, 1], at the network's size; None for a generator without
            field correction, which predicts no source matte.
        """
        config = self.config
        if config.layers is None or not config.layers.correction:
            return None
        small, pose, _ = self.at_network_size(source, source.pose)
        maps = self.heatmaps(pose, (small.shape[2], small.shape[3]))
        return torch.sigmoid(self.look_at(small, maps, pose)[1])

    def fields(
        self,
        image: Float[Tensor, "batch 3 height width"],
        source_pose: Pose,
        target_pose: Pose,
        guide: Guide | None = None,
        look: Sequence[Tensor] = (),
    ) -> Fields:
        """Predict the field from target to source, visibility and mattes.

        Args:
            image: The source photo at the network's size.
            source_pose: In pixels of `image`.
            target_pose: In pixels of a target image of the same size.
            guide: Heat maps of both poses, if already computed.
            look: What `look_at` returns, if already computed.
        """
        layers = self.config.layers
        assert layers is not None
        size = (image.shape[2], image.shape[3])
        with torch.no_grad():
            if self._at_once:
                parts = guide.parts if guide is not None else None
                parts = parts or MovedParts.of(source_pose, target_pose, self.skeleton, size)
                distance = parts.distances()
                base = parts.field(distance, layers.softness)
            else:
                distance = part_distances(target_pose, self.skeleton, size)
                poses = source_pose, target_pose
                base = part_field(*poses, self.skeleton, size, layers.softness, distance=distance)
            unit = unit_length(target_pose, self.skeleton).clamp(min=1)
            near = nearness(distance, unit)
            if guide is None:
                maps = [self.heatmaps(pose, size) for pose in (source_pose, target_pose)]
            else:
                maps = [guide.source_heatmaps, guide.target_heatmaps]
        if layers.correction and not look:
            look = self.look_at(image, maps[0], source_pose)
        return self.correct(image, maps[1], base, near, unit, look)

    def correct(
        self,
        image: Float[Tensor, "batch 3 height width"],
        heatmaps: Float[Tensor, "batch joints height width"],
        base: Float[Tensor, "batch 2 height width"],
        near: Float[Tensor, "batch parts height width"],
        unit: Float[Tensor, "batch"],
        look: Sequence[Tensor],
    ) -> Fields:
        """Correct the field of the parts' transforms, and predict visibility and mattes.

        Args:
            image: The source photo at the network's size.
            heatmaps: Heat maps of the target pose.
            base: The field of the parts' transforms.
            near: Distance of every pixel to every part of the target pose, in `unit`, at most 1.
            unit: Unit length of the target pose, at least 1 pixel.
            look: What `look_at` returns; empty without field correction.
        """
        layers = self.config.layers
        assert layers is not None
        if not layers.correction:
            # Without a network: copy inside the parts, and treat the source as all person.
            nearest = near.amin(dim=1, keepdim=True)
            inside = 6 - 12 * (nearest / SOFTNESS).clamp(max=1)
            return Fields(base, base, torch.zeros_like(inside), inside, 6 + 0 * inside)
        features, source_matte = look
        size = (image.shape[2], image.shape[3])
        with torch.no_grad():
            moved, ways = sample_at(image, base, size), base - own_places(size, base)
            shown = torch.cat([moved, heatmaps, near, ways / unit[:, None, None, None]], dim=1)
        field, planes = self.field(shown, base, image, features)
        return Fields(base, field, *planes.split(1, dim=1), source_matte)

    def layers(
        self,
        source: View | Encoded,
        target_pose: Pose,
        size: tuple[int, int] | None = None,
        *,
        noise: Noise | None = None,
        background: Float[Tensor, "batch 3 height width"] | None = None,
        hold: Hold = "source",
    ) -> Layers:
        """Generate a picture of any size as layers.

        Args:
            source: A photo of any size and its pose, or what `encode` returned for them; one for
                all target poses or one for each.
            target_pose: In pixels of a target image of the photo's size.
            size: Height and width of the picture, which covers the target image's area; by default
                the photo's.
            noise: See `forward`.
            background: See `forward`; of any size.
            hold: What receives no gradient from the picture. Losses that favour blur would
                otherwise push the opacities towards paint.
        """
        source = self._encoded(source, len(target_pose))
        image, pose = source.image, source.pose
        before = (source.photo.shape[2], source.photo.shape[3])
        target_pose = resize_pose(target_pose, before, source.size)
        guide = self.guide(pose, target_pose, source.size, source.heatmaps)
        fields = self.fields(image, pose, target_pose, guide, source.look)
        if background is not None:
            background = resize(background, source.size)
        features = self.paint(image, guide, noise, background, source.levels).output
        return self.compose(source.photo, source.person, fields, features, size or before, hold)

    def at_network_size(self, source: View, target_pose: Pose) -> tuple[Tensor, Pose, Pose]:
        """Return photo, source pose and target pose, resized to the network's size."""
        before = (source.image.shape[2], source.image.shape[3])
        size = self.network_size(before)
        source_pose = resize_pose(source.pose, before, size)
        return resize(source.image, size), source_pose, resize_pose(target_pose, before, size)

    def planes(
        self,
        photo: Float[Tensor, "batch 3 _ _"],
        person: Float[Tensor, "batch 3 height width"],
        fields: Fields,
        features: Float[Tensor, "batch channels height width"],
        hold: Hold = "source",
    ) -> Planes:
        """Predict from fields and decoder features what a picture is composed of.

        Args:
            photo: See `compose`, as for the other arguments.
            person: See `compose`.
            fields: See `compose`.
            features: See `compose`.
            hold: See `compose`.
        """
        layers = self.config.layers
        assert layers is not None
        net = (person.shape[2], person.shape[3])
        fine = (2 * net[0], 2 * net[1])
        field = fields.source_from_target
        visible, matte = fields.visible, fields.matte
        # Copies must not cross the outline of the person in the source.
        outlines = layers.decision[1]
        of_person = sample_at(torch.sigmoid(outlines * fields.source_matte), field, net)
        if hold != "nothing":
            of_person = of_person.detach()
        copied = torch.sigmoid(visible) * of_person * torch.sigmoid(matte)
        if hold == "all":
            copied = copied.detach()
        if not layers.copy:
            copied = copied * 0
        features = F.relu(features)
        moved = sample_at(person, field, net)
        if hold == "all":
            moved = torch.where(visible > SHOWN, moved, moved.detach())
        look = torch.cat([features, moved, copied], dim=1)
        mixed = F.relu(self.mix(look))
        painted = self.head(mixed)[:, :3].float()

        field_fine = resize_field(field, fine)
        copy = sample_at(photo, field_fine, net)
        weights = torch.cat([torch.sigmoid(visible), torch.sigmoid(matte)], dim=1)
        shown = mix(resize(of_person, fine), copy, resize(moved, fine)).detach()
        changes = self.detail(
            torch.cat([features, mixed], dim=1), shown, resize(weights, fine).detach()
        )
        changes = [change.float() for change in changes]
        painted = resize(painted, fine)
        paint, scene = torch.tanh(painted + changes[0]), torch.tanh(painted + changes[1])
        logits = resize(torch.cat([visible, matte], dim=1), fine) + torch.cat(changes[2:], dim=1)
        return Planes(of_person, copy, paint, scene, logits)

    def compose(
        self,
        photo: Float[Tensor, "batch 3 _ _"],
        person: Float[Tensor, "batch 3 height width"],
        fields: Fields,
        features: Float[Tensor, "batch channels height width"],
        size: tuple[int, int],
        hold: Hold = "source",
    ) -> Layers:
        """Compose a picture from fields and decoder features.

        Args:
            photo: The source photo at its own size.
            person: The source photo at the network's size, without its scene (see `Encoded`).
            fields: See `fields`.
            features: Decoder features before the next activation.
            size: Height and width of the picture.
            hold: See `layers`.
        """
        layers = self.config.layers
        assert layers is not None
        planes = self.planes(photo, person, fields, features, hold)
        copy, paint, scene, logits = planes.copy, planes.paint, planes.scene, planes.logits
        if size != (copy.shape[2], copy.shape[3]):
            paint, scene, logits = (resize(plane, size) for plane in (paint, scene, logits))
            net = (person.shape[2], person.shape[3])
            copy = sample_at(photo, resize_field(fields.source_from_target, size), net)
        copies, outlines = layers.decision
        visible = torch.sigmoid(copies * logits[:, :1]) * resize(planes.of_person, size)
        matte = torch.sigmoid(outlines * logits[:, 1:])
        if not layers.copy:
            visible = visible * 0
        # When held, opacities learn from the known truth alone, through their logits.
        held = hold == "all"
        share, inside = (plane.detach() if held else plane for plane in (visible, matte))
        if held:
            copy = torch.where(logits[:, :1] > SHOWN, copy, copy.detach())
        picture = mix(inside, mix(share, copy, paint), scene)
        return Layers(picture, copy, paint, scene, visible, matte, logits, fields)

    def _blend(self, image: Tensor, guide: Guide, features: Tensor) -> Tensor:
        """Return `a * warped photo + (1 - a) * generated`, a predicted (ours, not the paper's)."""
        photo, known = overlay_parts(image, guide.transforms[0], guide.masks[0])
        features = torch.cat([F.relu(features), photo, known], dim=1)
        painted, opacity = self.head(F.relu(self.mix(features))).split([3, 1], dim=1)
        opacity = torch.sigmoid(opacity) * known
        return opacity * photo + (1 - opacity) * torch.tanh(painted)


def _encoder(inputs: int, widths: tuple[int, ...], norm: Norm) -> nn.ModuleList:
    """Build an encoder: a plain 3x3 convolution first; no normalization in the last level."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, widths[0], 3, padding=1)]
    last = len(widths) - 1
    for level, (before, after) in enumerate(pairwise(widths), start=1):
        layers.append(Down(before, after, norm if level < last else None))
    return nn.ModuleList(layers)


def _encode(encoder: nn.ModuleList, features: Tensor) -> list[Tensor]:
    """Return the features of every level, full resolution first."""
    levels = []
    for layer in encoder:
        features = layer(features)
        levels.append(features)
    return levels
