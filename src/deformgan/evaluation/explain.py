"""explain: everything between a photo and its result, for one pair of poses."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.deformable_skip import warp_parts
from deformgan.errors import InputError
from deformgan.evaluation.pair_diagnosis import ORIGINS, PairDiagnosis, diagnose_pairs
from deformgan.models.generator import Activations, Generator, Guide
from deformgan.models.layers import resize, resize_pose
from deformgan.pair import View
from deformgan.parts import part_regions
from deformgan.pose import Pose, Skeleton


@dataclass(frozen=True)
class Explanation:
    """What the generator does with one photo and one pose.

    Attributes:
        source: The photo, one, and its pose in the model's image.
        target_pose: What is asked for, in pixels of the image to be generated.
        skeleton: Of both poses.
        guide: What the generator reads from the poses.
        activations: Every feature map, and the output.
        source_from_target: The transform of each part in pixels; the identity where there is none.
        warped_parts: The photo moved by each part's transform and cut out by its mask, in [0, 1].
        warped: The same for all parts together, as the deformable skip joins them.
        diagnosis: What is hard about the pair.
        blend: Whether the result takes some of the moved photo itself.
    """

    source: View
    target_pose: Pose
    skeleton: Skeleton
    guide: Guide
    activations: Activations
    source_from_target: Float[Tensor, "parts 2 3"]
    warped_parts: Float[Tensor, "parts 3 height width"]
    warped: Float[Tensor, "3 height width"]
    diagnosis: PairDiagnosis
    blend: bool

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the model's image."""
        return (self.source.image.shape[-2], self.source.image.shape[-1])

    @property
    def origins(self) -> list[str]:
        """What becomes of each part, as words of `ORIGINS`."""
        return [list(ORIGINS)[code] for code in self.diagnosis.origins[0].tolist()]


@torch.inference_mode()
def explain(generator: Generator, source: View, target_pose: Pose) -> Explanation:
    """Runs the generator on the CPU and keeps what it does on the way.

    Args:
        generator: In evaluation mode; its skips are deformed part by part.
        source: One photo, of the model's size; with layers of any, and its picture has the size at
            which the network looks.
        target_pose: One pose.
    """
    config, skeleton = generator.config, generator.skeleton
    if config.warp != "parts" or config.warped_levels < 1:
        raise InputError(
            f"These weights deform no part of the photo (their warp is {config.warp!r}); give some "
            "whose warp is 'parts'."
        )
    if config.layers is not None:
        # As the network looks at it, at its own size.
        before = (source.image.shape[-2], source.image.shape[-1])
        size = generator.network_size(before)
        target_pose = resize_pose(target_pose, before, size)
        source = View(resize(source.image, size), resize_pose(source.pose, before, size))
    size = (source.image.shape[-2], source.image.shape[-1])
    guide = generator.guide(source.pose, target_pose, size)
    activations = generator.paint(source.image, guide)
    if config.layers is not None:
        layers = generator.layers(source, target_pose)
        activations = replace(activations, output=layers.picture)
    # From black at 0: what is masked out is 0, and must not win where parts overlap.
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
        in_pixels(guide.transforms[0], size)[0].double(),
        torch.stack(alone),
        warp_parts(photo, guide.transforms[0], guide.masks[0], *how)[0],
        diagnose_pairs(source.pose, target_pose, skeleton, config.fit),
        config.blend,
    )


def in_pixels(
    transforms: Float[Tensor, "batch parts 2 3"], size: tuple[int, int]
) -> Float[Tensor, "batch parts 2 3"]:
    """Takes full-resolution transforms from the [-1, 1] frame to pixels: undoes `normalize`."""
    height, width = size
    scale = transforms.new_tensor([2 / width, 2 / height])
    shift = transforms.new_tensor([1 / width - 1, 1 / height - 1])
    linear = transforms[..., :2] / scale[:, None] * scale
    offset = (transforms[..., 2] - shift + transforms[..., :2] @ shift) / scale
    return torch.cat([linear, offset[..., None]], dim=-1)


def describe_parts(explanation: Explanation) -> list[dict[str, Any]]:
    """Says of every part how it is moved, or why it is not.

    Returns:
        For each part `part`, `origin` (see `ORIGINS`) and `why` in words, `missing` (joints that
        source or target lack), `from_part` (the twin's name where it comes from there), `mask`
        (share of the image) and, where it has one, its transform: `source_from_target` (2x3, in
        pixels, (0, 0) at the centre of the top-left one), its `determinant`, and what it does to
        the part on its way from the photo to the pose: `rotation` (degrees, clockwise; None for a
        mirrored part), `scale` (of lengths: the root of the ratio of areas), `stretch` (largest and
        smallest factor of a length) and `mirrored`. Last `repainted`: the mean absolute difference
        of the result and the moved photo within the part, in units of the [-1, 1] scale.
    """
    skeleton, masks = explanation.skeleton, explanation.guide.masks[0][0]
    regions = part_regions(explanation.target_pose, skeleton, explanation.size)[0] & masks
    result = (explanation.activations.output[0] + 1) / 2
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
    """Gives what `describe_parts` says of a transform."""
    determinant = torch.linalg.det(source_from_target[:, :2]).item()
    described: dict[str, Any] = {
        "source_from_target": source_from_target.tolist(),
        "determinant": determinant,
    }
    if determinant == 0:  # then nothing can be said of the way back
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
    """Gives mean absolute activation of each skip of the source stream, before and after it moves.

    Returns:
        Full resolution first; a level that is not deformed has the same map twice.
    """
    activations = explanation.activations
    maps = []
    for before, skip in zip(activations.source, activations.skips, strict=False):
        after = skip[0, : before.shape[1]]  # the target stream's features follow
        maps.append((before[0].abs().mean(dim=0), after.abs().mean(dim=0)))
    return maps


def describe_skips(explanation: Explanation) -> list[dict[str, Any]]:
    """Says of every skip its size, whether it is deformed, and its mean absolute activation."""
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
