"""Guide, Encoded, Activations: what a generator computes before and on the way to a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.part_geometry import MovedParts
from deformgan.pose import Pose


@dataclass(frozen=True)
class Guide:
    """Pose-derived inputs of the generator.

    Attributes:
        source_heatmaps: Heat maps of the source pose.
        target_heatmaps: Heat maps of the target pose.
        transforms: `source_from_target` of every part for each warped level, normalized.
        masks: Mask of every part in the target pose for each warped level; empty for a part without
            a transform.
        parts: What transforms and masks were computed from, if all parts were computed together.
    """

    source_heatmaps: Float[Tensor, "batch joints height width"]
    target_heatmaps: Float[Tensor, "batch joints height width"]
    transforms: list[Float[Tensor, "batch parts 2 3"]]
    masks: list[Tensor]
    parts: MovedParts | None = None


@dataclass(frozen=True)
class Encoded:
    """What source photos alone determine; all their target poses share it.

    Attributes:
        photo: The photos at their own size.
        image: The photos at the network's size.
        person: The same without their scenes: there, colours of the person continue (see
            `Generator.without_scene`).
        pose: Source poses, in pixels of `image`.
        heatmaps: Heat maps of `pose`.
        levels: Features of the source stream, full resolution first; empty for the baseline, whose
            only stream depends on the target pose too.
        look: Features for the field (see `Generator.look_at`) and the logits of the source matte;
            empty without field correction.
    """

    photo: Float[Tensor, "batch 3 _ _"]
    image: Float[Tensor, "batch 3 height width"]
    person: Float[Tensor, "batch 3 height width"]
    pose: Pose
    heatmaps: Float[Tensor, "batch joints height width"]
    levels: tuple[Tensor, ...]
    look: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.image)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width at which the network processes the photos."""
        return (self.image.shape[2], self.image.shape[3])

    def __getitem__(self, rows: list[int]) -> "Encoded":
        """Return a batch of some of the photos, possibly repeated."""
        return _map(lambda one: one[0][rows], [self])

    def expand(self, batch: int) -> "Encoded":
        """Return a single photo as a batch of the same one, without copying it."""
        if len(self) == batch:
            return self
        if len(self) != 1:
            raise ValueError(f"{len(self)} photos cannot have {batch} target poses.")
        return _map(lambda one: one[0].expand(batch, *one[0].shape[1:]), [self])

    @staticmethod
    def cat(batches: Sequence["Encoded"]) -> "Encoded":
        """Concatenate batches of photos of the same size."""
        return batches[0] if len(batches) == 1 else _map(torch.cat, batches)


def _map(combine: Callable[[list[Tensor]], Tensor], batches: Sequence[Encoded]) -> Encoded:
    """Combine batches tensor by tensor."""

    def each(groups: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        return tuple(combine(list(tensors)) for tensors in zip(*groups, strict=True))

    return Encoded(
        combine([one.photo for one in batches]),
        combine([one.image for one in batches]),
        combine([one.person for one in batches]),
        Pose(
            combine([one.pose.joints for one in batches]),
            combine([one.pose.visible for one in batches]),
        ),
        combine([one.heatmaps for one in batches]),
        each([one.levels for one in batches]),
        each([one.look for one in batches]),
    )


@dataclass(frozen=True)
class Activations:
    """Every feature map of a forward pass, before its next activation.

    Attributes:
        source: Source stream (the only stream of the baseline), full resolution first.
        target: Target stream; empty for the baseline.
        skips: Skip inputs of the decoder at every level except the deepest, full resolution first.
        decoder: Output of each decoder block, coarsest first.
        output: The generated image; with layers, the decoder's final features.
    """

    source: list[Tensor]
    target: list[Tensor]
    skips: list[Tensor]
    decoder: list[Tensor]
    output: Tensor
