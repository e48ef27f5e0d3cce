"""PairBatches: the batch of every training step, determined by (seed, step) alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from deformgan.datasets.correspondence import Correspondence, correspond, whole_faces
from deformgan.datasets.image_store import Storage, open_store
from deformgan.datasets.surfaces import Surface, SurfaceSet
from deformgan.errors import InputError
from deformgan.pair import Pair, Truth, View
from deformgan.pixels import to_float
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

# Random streams derived from one seed; data set i uses stream _ORDER + i.
_FLIP, _ORDER = 0, 1
_MATCHES = 30_000  # most pairs whose matches are cached: 1.3 GB at 256x128
_STEPS = 16  # per pixel, resolution of cached matches
_KNOWN = ("surfaces", "masks", "backgrounds")  # what only a renderer provides
_DENSE = 192  # image height from which every second pixel suffices to supervise a field


@runtime_checkable
class PairedImages(Protocol):
    """A data set in memory.

    Attributes:
        poses: In pixels of `images`, one per image.
    """

    poses: Pose

    @property
    def images(self) -> UInt8[Tensor, "images 3 height width"]:
        """All images, RGB."""
        ...

    @property
    def pairs(self) -> Int64[Tensor, "pairs 2"]:
        """Indices of source and target."""
        ...


def has_truth(dataset: PairedImages) -> bool:
    """Return whether a data set provides `Truth`: surfaces, masks and backgrounds."""
    return all(getattr(dataset, name, None) is not None for name in _KNOWN)


@dataclass(frozen=True)
class _Known:
    # The ground truth of one set of rendered people, on the host.
    surfaces: SurfaceSet
    masks: UInt8[Tensor, "images height width"]
    scenes: UInt8[Tensor, "images 3 height width"]
    matches: dict[tuple[int, int, bool], tuple[Tensor, ...]] = field(default_factory=dict)

    def match(self, source: int, target: int, flip: bool, stride: int) -> Correspondence:
        # Matching takes as long as the training step, so results are cached up to a limit. They are
        # rounded even on first use, so that a resumed run sees the same values.
        key = source, target, flip
        packed = self.matches.get(key) or self._matched(source, target, flip, stride)
        if len(self.matches) < _MATCHES:
            self.matches[key] = packed
        place, matched, visible, body = packed
        return Correspondence(place.float() / _STEPS, matched, visible, body)

    def _matched(self, source: int, target: int, flip: bool, stride: int) -> tuple[Tensor, ...]:
        shown, asked = self.surfaces[source], self.surfaces[target]
        if flip:
            asked = Surface(asked.place.flip(-1), asked.layer.flip(-1))
        found = whole_faces(correspond(shown, asked, stride), asked, stride)
        if flip:
            found = found.mirrored(shown.layer.shape[1])
        place = (found.source_from_target * _STEPS).round().to(torch.int16)
        return tuple(t.contiguous() for t in (place, found.matched, found.visible, found.body))

    @staticmethod
    def of(datasets: Sequence[PairedImages]) -> "_Known":
        if len(datasets) > 1 or not has_truth(datasets[0]):
            raise InputError(
                "Exact truth needs a single data set of rendered people with surfaces, masks and "
                "backgrounds; render one with `deformgan data synthesize`."
            )
        return _Known(*(getattr(datasets[0], name) for name in _KNOWN))


class PairBatches:
    """Training batches of one data set, or of several mixed in fixed proportions.

    `batches[step]` depends only on the constructor's arguments and `step`, so a resumed run
    continues where it stopped without replaying anything. Images stay uint8 until they are on the
    device; everything else happens there.
    """

    def __init__(
        self,
        datasets: PairedImages | Sequence[PairedImages],
        batch_size: int,
        *,
        proportions: Sequence[float] | None = None,
        seed: int = 0,
        flip: bool = False,
        skeleton: Skeleton = OPENPOSE18,
        device: str | torch.device = "cpu",
        storage: Storage = "auto",
        backgrounds: bool = False,
        truth: bool = False,
        place: int = 0,
        places: int = 1,
    ):
        """Move poses to the device, and images too if there is room.

        Args:
            datasets: Data sets with images of one size.
            batch_size: Pairs per batch.
            proportions: Share of each data set in every batch, rounded to whole pairs; by default
                proportional to their numbers of pairs.
            seed: Random seed for the order of pairs and for flips.
            flip: Whether to mirror both views of a pair with probability 1/2.
            skeleton: Skeleton of the poses; defines which joints are swapped in a flip.
            device: Device of the batches.
            storage: Where to keep images, see `open_store`; it does not affect the batches.
            backgrounds: Whether to include the targets' backgrounds.
            truth: Whether to include the ground truth of rendered pairs; requires a single data set
                with surfaces, masks and backgrounds.
            place: Index of this process's part of every batch.
            places: Number of equal parts of every batch, one per process.
        """
        if batch_size % places:
            raise InputError(
                f"A batch of {batch_size} cannot be split equally among {places} processes."
            )
        datasets = list(datasets) if isinstance(datasets, Sequence) else [datasets]
        sizes = {tuple(dataset.images.shape[2:]) for dataset in datasets}
        if len(sizes) > 1:
            raise InputError(f"The data sets' images are of different sizes: {sorted(sizes)}.")
        if proportions is None:
            proportions = [float(len(dataset.pairs)) for dataset in datasets]
        self.counts = batch_counts(batch_size, proportions)
        self.num_pairs = [len(dataset.pairs) for dataset in datasets]
        for pairs, count in zip(self.num_pairs, self.counts, strict=True):
            if pairs < count:
                raise InputError(f"A data set has {pairs} pairs, fewer than {count} per batch.")
        self.seed = seed
        self.flip = flip
        share = batch_size // places
        self.part = slice(place * share, (place + 1) * share)
        self.skeleton = skeleton
        self.device = torch.device(device)
        self.images = open_store([dataset.images for dataset in datasets], self.device, storage)
        self.scenes = None
        if backgrounds:
            scenes = [getattr(dataset, "backgrounds", None) for dataset in datasets]
            if any(scene is None for scene in scenes):
                raise InputError(
                    "A data set has no backgrounds; rendered people have a folder of them."
                )
            self.scenes = open_store([s for s in scenes if s is not None], self.device, storage)
        self.known = _Known.of(datasets) if truth else None
        self.poses = [dataset.poses.to(self.device) for dataset in datasets]
        self.pairs = [dataset.pairs for dataset in datasets]
        self.names: list[Sequence[str] | None] = [
            getattr(dataset, "names", None) for dataset in datasets
        ]

    def __getitem__(self, step: int) -> Pair:
        """Return the batch of a step, counted from 0; there is no last step."""
        chosen = self._pairs(step)
        # Gather both views at once: per data set first the sources, then the targets.
        images = self.images.gather(step, [_both(pairs) for pairs in chosen])
        self.images.prepare(step + 1, [_both(pairs) for pairs in self._pairs(step + 1)])
        parts = images.split([2 * len(pairs) for pairs in chosen])
        source, target = (
            View(
                to_float(torch.cat([part.chunk(2)[side] for part in parts])),
                Pose.cat(
                    [
                        poses[pairs[:, side].to(self.device)]
                        for poses, pairs in zip(self.poses, chosen, strict=True)
                    ]
                ),
            )
            for side in (0, 1)
        )
        if self.scenes is not None:
            target = replace(target, background=self._scenes(step, chosen))
        flipped = torch.zeros(len(target.pose), dtype=torch.bool, device=self.device)
        if self.flip:
            flipped = self._flipped(step)
            source, target = (flip_where(flipped, v, self.skeleton) for v in (source, target))
        truth = None if self.known is None else self._truth(chosen[0], flipped)
        return Pair(source, target, truth)

    def _flipped(self, step: int) -> Bool[Tensor, "batch"]:
        random = np.random.default_rng((self.seed, _FLIP, step)).random(sum(self.counts))
        return torch.from_numpy(random[self.part] < 0.5).to(self.device)

    def _truth(self, pairs: Int64[Tensor, "batch 2"], flipped: Bool[Tensor, "batch"]) -> Truth:
        assert self.known is not None
        known = self.known
        stride = 1 if known.masks.shape[1] < _DENSE else 2
        matches = []
        for (source, target), flip in zip(pairs.tolist(), flipped.tolist(), strict=True):
            matches.append(known.match(source, target, flip, stride))
        found = [
            torch.stack([getattr(match, name) for match in matches]).to(self.device)
            for name in ("source_from_target", "matched", "visible", "body")
        ]
        turned = flipped.cpu()[:, None, None, None]
        target_mask, source_mask, scene = (
            torch.where(turned, images.flip(-1), images).to(self.device).float()
            for images in (
                known.masks[pairs[:, 1]][:, None],
                known.masks[pairs[:, 0]][:, None],
                known.scenes[pairs[:, 1]],
            )
        )
        return Truth(*found, target_mask / 255, source_mask / 255, scene / 127.5 - 1, stride)

    def _scenes(self, step: int, chosen: list[Tensor]) -> Float[Tensor, "batch 3 height width"]:
        assert self.scenes is not None
        images = self.scenes.gather(step, [pairs[:, 1] for pairs in chosen])
        self.scenes.prepare(step + 1, [pairs[:, 1] for pairs in self._pairs(step + 1)])
        return to_float(images)

    def fingerprint(self) -> list[dict[str, Any]]:
        """Return an identifier of the training data: per data set, number of pairs and a hash.

        The hash covers the file names in the pairs and the poses, not the pixels.
        """
        found = []
        for names, pairs, poses in zip(self.names, self.pairs, self.poses, strict=True):
            digest = hashlib.sha256("\n".join(names or ()).encode())
            for tensor in (pairs, poses.joints, poses.visible):
                digest.update(tensor.cpu().contiguous().numpy().tobytes())
            found.append({"pairs": len(pairs), "sha256": digest.hexdigest()})
        return found

    def describe(self, step: int) -> str:
        """Return the file names of a step's batch, source and target of every pair."""
        named = []
        for names, pairs in zip(self.names, self._pairs(step), strict=True):
            for source, target in pairs.tolist():
                known = (names[source], names[target]) if names else (source, target)
                named.append("{} -> {}".format(*known))
        return ", ".join(named)

    def _pairs(self, step: int) -> list[Int64[Tensor, "_ 2"]]:
        """Select this process's pairs of a step from every data set."""
        chosen, first = [], 0
        for stream, (num_pairs, count) in enumerate(
            zip(self.num_pairs, self.counts, strict=True), start=_ORDER
        ):
            start, stop = (
                min(max(end - first, 0), count) for end in (self.part.start, self.part.stop)
            )
            order = batch_indices(num_pairs, count, self.seed, step, stream)
            chosen.append(self.pairs[stream - _ORDER][order[start:stop]])
            first += count
        return chosen


class MixedBatches:
    """Batches that alternate between several `PairBatches`, each step using one of them.

    The order is fixed, so a batch depends on the step alone, as in `PairBatches`. Each kind may
    have its own image size.
    """

    TURN = 20  # steps after which the order repeats

    def __init__(self, kinds: Sequence[PairBatches], shares: Sequence[float]):
        """Build the order in which kinds alternate.

        Args:
            kinds: Sources of the batches.
            shares: Share of steps per kind, in any unit; rounded to twentieths, at least one each.
        """
        self.kinds = list(kinds)
        self.counts = batch_counts(self.TURN, shares)
        # Spread each kind evenly over the cycle: its nth step is due at (n + 1/2) / count.
        due = [
            ((n + 0.5) / count, kind)
            for kind, count in enumerate(self.counts)
            for n in range(count)
        ]
        self.order = [kind for _, kind in sorted(due)]

    def _find(self, step: int) -> tuple[PairBatches, int]:
        turn, place = divmod(step, self.TURN)
        kind = self.order[place]
        done = self.order[:place].count(kind)
        return self.kinds[kind], turn * self.counts[kind] + done

    def __getitem__(self, step: int) -> Pair:
        """Return the batch of a step, counted from 0; there is no last step."""
        batches, own_step = self._find(step)
        return batches[own_step]

    def fingerprint(self) -> list[dict[str, Any]]:
        """Return an identifier of the training data; see `PairBatches.fingerprint`."""
        return [
            {**found, "share": count}
            for batches, count in zip(self.kinds, self.counts, strict=True)
            for found in batches.fingerprint()
        ]

    def describe(self, step: int) -> str:
        """Return the file names of a step's batch."""
        batches, own_step = self._find(step)
        return batches.describe(own_step)


def _both(pairs: Int64[Tensor, "pairs 2"]) -> Int64[Tensor, "images"]:
    """Return the sources, then the targets."""
    return pairs.T.reshape(-1)


def batch_counts(batch_size: int, proportions: Sequence[float]) -> list[int]:
    """Divide a batch among data sets in the given proportions, by largest remainder.

    Args:
        batch_size: Total number of pairs.
        proportions: Positive, with any sum.

    Returns:
        Pairs per data set, at least one each.
    """
    if min(proportions) <= 0 or batch_size < len(proportions):
        raise InputError(
            f"A batch of {batch_size} cannot be divided in the proportions {list(proportions)}: "
            "every data set needs a positive share and at least one pair per batch."
        )
    shares = np.asarray(proportions, dtype=float) / sum(proportions) * batch_size
    counts = np.maximum(np.floor(shares).astype(int), 1)
    while counts.sum() != batch_size:
        lack = shares - counts
        if counts.sum() < batch_size:
            counts[int(lack.argmax())] += 1
        else:
            counts[int(np.where(counts > 1, lack, np.inf).argmin())] -= 1
    return counts.tolist()


def batch_indices(
    num_pairs: int, batch_size: int, seed: int, step: int, stream: int = 0
) -> Int64[Tensor, "batch"]:
    """Return the indices of the pairs in a step's batch.

    Every epoch is shuffled anew and contains each pair at most once; the incomplete last batch is
    dropped.

    Args:
        num_pairs: At least `batch_size`.
        batch_size: Pairs per batch.
        seed: Random seed of the run.
        step: Training step, from 0.
        stream: Index of an independent order with the same seed.
    """
    if not 1 <= batch_size <= num_pairs:
        raise ValueError(f"batch_size must be in 1..{num_pairs}, got {batch_size}.")
    epoch, position = divmod(step, num_pairs // batch_size)
    order = _epoch_order(num_pairs, seed, stream, epoch)
    return order[position * batch_size : (position + 1) * batch_size]


@lru_cache(maxsize=4)
def _epoch_order(num_pairs: int, seed: int, stream: int, epoch: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng((seed, stream, epoch)).permutation(num_pairs))


def flip_where(flipped: Bool[Tensor, "batch"], view: View, skeleton: Skeleton) -> View:
    """Mirror the selected items of a batch: image, pose and background together."""
    pose = view.pose.flip(view.image.shape[-1], skeleton)
    each = flipped[:, None]
    image, scene = (
        None if shown is None else torch.where(each[..., None, None], shown.flip(-1), shown)
        for shown in (view.image, view.background)
    )
    assert image is not None
    return View(
        image,
        Pose(
            torch.where(each[..., None], pose.joints, view.pose.joints),
            torch.where(each, pose.visible, view.pose.visible),
        ),
        scene,
    )
