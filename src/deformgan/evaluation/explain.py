"""explain: all intermediate results of the generator for one photo and target pose."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.deformable_skip import warp_parts
from deformgan.errors import InputError
from deformgan.evaluation.pair_diagnosis import ORIGINS, PairDiagnosis, diagnose_pairs
from deformgan.models.generator import Activations, Generator, Guide
from deformgan.models.layers import Layers, resize
from deformgan.pair import View
from deformgan.parts import part_regions
from deformgan.pose import Pose, Skeleton


@dataclass(frozen=True)
class Explanation:
    """Intermediate results of the generator for one photo and one target pose.

    Attributes:
        source: One photo at the network's input size, with its pose.
        target_pose: Target pose, in pixels at the network's input size.
        skeleton: Skeleton of both poses.
        guide: The generator's pose inputs.
        activations: All feature maps.
        result: The generated image; with layers, it may be larger than the network's input.
        source_from_target: Transform of each part in pixels; the identity where there is none.
        warped_parts: The photo warped by each part's transform and cut out by its mask, in [0, 1].
        warped: The same for all parts together, aggregated as in the deformable skip.
        diagnosis: Difficulties of the pair.
        blend: Whether the generator blends the warped photo into the result.
        layers: Layers of the result, if the generator has layers.
    """

    source: View
    target_pose: Pose
    skeleton: Skeleton
    guide: Guide
    activations: Activations
    result: Float[Tensor, "1 3 rows columns"]
    source_from_target: Float[Tensor, "parts 2 3"]
    warped_parts: Float[Tensor, "parts 3 height width"]
    warped: Float[Tensor, "3 height width"]
    diagnosis: PairDiagnosis
    blend: bool
    layers: Layers | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return (self.source.image.shape[-2], self.source.image.shape[-1])

    @property
    def origins(self) -> list[str]:
        """Origin of each part, as keys of `ORIGINS`."""
        return [list(ORIGINS)[code] for code in self.diagnosis.origins[0].tolist()]


@torch.inference_mode()
def explain(generator: Generator, source: View, target_pose: Pose) -> Explanation:
    """Run the generator on the CPU and return its intermediate results.

    Args:
        generator: Generator in evaluation mode with `warp="parts"`.
        source: One photo, of the model's size; of any size if the generator has layers.
        target_pose: One pose.
    """
    config, skeleton = generator.config, generator.skeleton
    if config.warp != "parts" or config.warped_levels < 1:
        raise InputError(
            f"These weights do not warp parts of the photo (their warp is {config.warp!r}); choose "
            "weights with warp 'parts'."
        )
    photo, encoded = source.image, generator.encode(source)
    if config.layers is not None:
        small, pose, target_pose = generator.at_network_size(source, target_pose)
        source = View(small, pose)
    size = (source.image.shape[-2], source.image.shape[-1])
    guide = generator.guide(source.pose, target_pose, size)
    activations = generator.paint(source.image, guide, levels=encoded.levels)
    layers, result = None, activations.output
    if config.layers is not None:
        fields = generator.fields(source.image, source.pose, target_pose, guide, encoded.look)
        whole = (photo.shape[-2], photo.shape[-1])
        layers = generator.compose(photo, encoded.person, fields, activations.output, whole)
        result = layers.picture
    # Scaled to black at 0: masked-out pixels are 0 and must not win where parts overlap.
    photo = (source.image + 1) / 2
    how = (config.interpolation, config.aggregation)
    alone = [
        warp_parts(photo, guide.transforms[0][:, [part]], guide.masks[0][:, [part]], *how)[0]
        for part in range(len(skeleton.parts))
    ]
    return Explanation(
        source,
        target_pose,
        skeleton,
        guide,
        activations,
        result,
        in_pixels(guide.transforms[0], size)[0].double(),
        torch.stack(alone),
        warp_parts(photo, guide.transforms[0], guide.masks[0], *how)[0],
        diagnose_pairs(source.pose, target_pose, skeleton, config.fit),
        config.blend,
        layers,
    )


def in_pixels(
    transforms: Float[Tensor, "batch parts 2 3"], size: tuple[int, int]
) -> Float[Tensor, "batch parts 2 3"]:
    """Convert full-resolution transforms from the [-1, 1] frame to pixels; inverts `normalize`."""
    height, width = size
    scale = transforms.new_tensor([2 / width, 2 / height])
    shift = transforms.new_tensor([1 / width - 1, 1 / height - 1])
    linear = transforms[..., :2] / scale[:, None] * scale
    offset = (transforms[..., 2] - shift + transforms[..., :2] @ shift) / scale
    return torch.cat([linear, offset[..., None]], dim=-1)


def describe_parts(explanation: Explanation) -> list[dict[str, Any]]:
    """Describe how every part is warped, or why it is not.

    Returns:
        For each part: `part`, `origin` (see `ORIGINS`) and its description `why`, `missing` (joints
        missing in source or target), `from_part` (name of the twin it is taken from), `mask`
        (fraction of the image) and the transform if there is one: `source_from_target` (2x3, in
        pixels, (0, 0) at the centre of the top-left one), its `determinant`, and its effect on the
        part from photo to target: `rotation` (degrees, clockwise; None for a mirrored part),
        `scale` (of lengths: the square root of the ratio of areas), `stretch` (largest and smallest
        scale of a length) and `mirrored`. Finally `repainted`: the mean absolute difference of the
        result and the warped photo within the part, on the [-1, 1] scale.
    """
    skeleton, masks = explanation.skeleton, explanation.guide.masks[0][0]
    regions = part_regions(explanation.target_pose, skeleton, explanation.size)[0] & masks
    result = (resize(explanation.result, explanation.size)[0] + 1) / 2
    parts = []
    for place, part in enumerate(skeleton.parts):
        origin = explanation.origins[place]
        missing = {
            whose: [joint for joint in part.joints if not pose.visible[0, skeleton.index(joint)]]
            for whose, pose in (
                ("source", explanation.source.pose),
                ("target", explanation.target_pose),
            )
        }
        described: dict[str, Any] = {
            "part": part.name,
            "origin": origin,
            "why": ORIGINS[origin],
            "missing": missing,
            "from_part": part.twin if origin == "twin" else None,
            "mask": masks[place].double().mean().item(),
            "source_from_target": None,
        }
        if origin in ("own", "twin"):
            described |= describe_transform(explanation.source_from_target[place])
        region = regions[place]
        if region.any():
            difference = (result - explanation.warped_parts[place]).abs()[:, region]
            described["repainted"] = 2 * difference.double().mean().item()
        parts.append(described)
    return parts


def describe_transform(source_from_target: Float[Tensor, "2 3"]) -> dict[str, Any]:
    """Describe a transform; see `describe_parts`."""
    determinant = torch.linalg.det(source_from_target[:, :2]).item()
    described: dict[str, Any] = {
        "source_from_target": source_from_target.tolist(),
        "determinant": determinant,
    }
    if determinant == 0:  # not invertible
        return described
    rotation, factors, back = torch.linalg.svd(torch.linalg.inv(source_from_target[:, :2]))
    (cosine, _), (sine, _) = (rotation @ back).tolist()
    return described | {
        "rotation": math.degrees(math.atan2(sine, cosine)) if determinant > 0 else None,
        "scale": abs(determinant) ** -0.5,
        "stretch": factors.tolist(),
        "mirrored": determinant < 0,
    }


def skip_maps(
    explanation: Explanation,
) -> list[tuple[Float[Tensor, "height width"], Float[Tensor, "height width"]]]:
    """Return the mean absolute activation of each source skip, before and after warping.

    Returns:
        Maps from full resolution down; those of a level that is not deformed are equal.
    """
    activations = explanation.activations
    maps = []
    for before, skip in zip(activations.source, activations.skips, strict=False):
        after = skip[0, : before.shape[1]]  # the target stream's features follow
        maps.append((before[0].abs().mean(dim=0), after.abs().mean(dim=0)))
    return maps


def describe_skips(explanation: Explanation) -> list[dict[str, Any]]:
    """Describe every skip: size, whether it is deformed, and mean absolute activation."""
    skips = []
    for level, (before, after) in enumerate(skip_maps(explanation)):
        described = {
            "level": level,
            "size": list(before.shape),
            "channels": explanation.activations.source[level].shape[1],
            "deformed": level < len(explanation.guide.transforms),
            "before": before.mean().item(),
            "after": after.mean().item(),
        }
        skips.append(described)
    return skips


def describe_layers(layers: Layers) -> dict[str, Any]:
    """Compute statistics of the layers of one picture.

    Returns:
        `size` of the picture and `field_size`, the resolution of the field; `correction`, the
        length of the field's correction within the matte, in pixels of the field (`mean` and
        `largest`); `person` and `source_person`, the fractions of picture and photo covered by the
        mattes; `made_of`, the fractions of the picture that are `copy`, `paint` and `scene`, which
        sum to 1; and `copy_from_paint`, the mean absolute difference of copy and paint where copies
        are shown, on the [-1, 1] scale.
    """
    fields, matte = layers.fields, layers.matte.double()
    copied = matte * layers.visible.double()
    correction = (fields.source_from_target - fields.base).double().square().sum(dim=1).sqrt()
    inside = torch.sigmoid(fields.matte.double())[:, 0]
    largest = torch.where(inside > 0.5, correction, 0).amax().item()
    difference = (layers.copy - layers.paint).abs().double().mean(dim=1, keepdim=True)
    return {
        "size": list(layers.picture.shape[2:]),
        "field_size": list(fields.base.shape[2:]),
        "correction": {"mean": _weighed(correction, inside), "largest": largest},
        "person": matte.mean().item(),
        "source_person": torch.sigmoid(fields.source_matte.double()).mean().item(),
        "made_of": {
            "copy": copied.mean().item(),
            "paint": (matte - copied).mean().item(),
            "scene": (1 - matte).mean().item(),
        },
        "copy_from_paint": _weighed(difference, copied),
    }


def _weighed(values: Tensor, weights: Tensor) -> float:
    """Compute a weighted mean; 0 if all weights are 0."""
    return ((values * weights).sum() / weights.sum().clamp(min=1e-12)).item()
