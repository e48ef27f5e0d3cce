"""MetricSet: the metrics of an evaluation, and the reasons for unavailable ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from deformgan.errors import InputError
from deformgan.evaluation.person_mask import person_mask
from deformgan.evaluation.protocol import Protocol
from deformgan.pose import Pose, Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

Images = UInt8[Tensor, "batch 3 height width"]
Columns = Callable[[str], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Scene:
    """A batch of generated pictures of one size with their targets.

    Attributes:
        generated: Generated pictures, prepared by the protocol.
        target: Real photos, prepared by the protocol.
        target_pose: Pose in pixels of both.
        mask: The person in the target pose.
    """

    generated: Images
    target: Images
    target_pose: Pose
    mask: Bool[Tensor, "batch height width"]

    @staticmethod
    def create(
        generated: Images,
        target: Images,
        target_pose: Pose,
        protocol: Protocol,
        was_jpeg: Bool[Tensor, "batch"],
        skeleton: Skeleton = OPENPOSE18,
    ) -> "Scene":
        """Prepare pictures, photos and poses by a protocol, and render the person masks."""
        generated, target, target_pose = protocol.prepare(generated, target, target_pose, was_jpeg)
        size = (target.shape[2], target.shape[3])
        return Scene(generated, target, target_pose, person_mask(target_pose, size, skeleton))


@dataclass(frozen=True)
class PairMetrics:
    """Metrics with one number per pair.

    Attributes:
        what: Descriptions by metric name.
        compute: Computes the metrics of a batch by name; NaN where a pair has no number.
    """

    what: dict[str, str]
    compute: Callable[[Scene], dict[str, Float[Tensor, "batch"]]]


@dataclass(frozen=True)
class CorpusMetrics:
    """Metrics with one number for all pictures, computed from features of each picture.

    Attributes:
        what: Descriptions by metric name.
        generated: Computes features of a batch of generated pictures, by feature name.
        real: Computes features of a batch of real photos, by feature name; empty if none are
            needed.
        compute: Computes the metrics, each with its `value`, from two functions that map a feature
            name to batches of features, of the generated pictures and of the real photos.
    """

    what: dict[str, str]
    generated: Callable[[Scene], dict[str, Float[Tensor, "batch features"]]]
    real: Callable[[Images], dict[str, Float[Tensor, "batch features"]]]
    compute: Callable[[Columns, Columns], dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class MetricSet:
    """All metrics of an evaluation.

    Attributes:
        pairs: Metrics per pair.
        corpus: Metrics over all pictures.
        unavailable: Reasons for unavailable metrics, by name.
    """

    pairs: list[PairMetrics] = field(default_factory=list)
    corpus: list[CorpusMetrics] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    def what(self) -> dict[str, str]:
        """Descriptions of all metrics by name."""
        all_of_them = (*self.pairs, *self.corpus)
        return {name: what for each in all_of_them for name, what in each.what.items()}

    @property
    def pair_names(self) -> list[str]:
        """Names of the metrics per pair."""
        return [name for each in self.pairs for name in each.what]

    def keep(self, names: Sequence[str]) -> "MetricSet":
        """Return the groups that contain a metric in `names`; a group is computed at once."""
        known = {*self.what, *self.unavailable}
        if unknown := [name for name in names if name not in known]:
            raise InputError(
                f"Unknown metric {unknown[0]!r}; choose from {', '.join(sorted(known))}."
            )
        return MetricSet(
            [each for each in self.pairs if set(names) & set(each.what)],
            [each for each in self.corpus if set(names) & set(each.what)],
            {name: why for name, why in self.unavailable.items() if name in names},
        )

    def numbers(self, scene: Scene) -> dict[str, Tensor]:
        """Compute the metrics per pair of a batch."""
        numbers = {}
        for each in self.pairs:
            found = each.compute(scene)
            assert found.keys() == each.what.keys(), (
                "a metric lacks its description, or the reverse"
            )
            numbers |= found
        return numbers

    def generated_features(self, scene: Scene) -> dict[str, Tensor]:
        """Compute the features of a batch of generated pictures."""
        return {name: f for each in self.corpus for name, f in each.generated(scene).items()}

    def real_features(self, images: Images) -> dict[str, Tensor]:
        """Compute the features of a batch of real photos."""
        return {name: f for each in self.corpus for name, f in each.real(images).items()}

    def of_all(self, generated: Columns, real: Columns) -> dict[str, dict[str, Any]]:
        """Compute the metrics over all pictures."""
        return {
            name: n for part in self.corpus for name, n in part.compute(generated, real).items()
        }
