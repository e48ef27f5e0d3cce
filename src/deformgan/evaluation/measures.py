"""Measures: what is measured of generated pictures, and what is not and why."""

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
    """Some generated pictures of one size, and what they are compared with.

    Attributes:
        generated: As the protocol compares them.
        target: The real photos, likewise.
        target_pose: In pixels of both.
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
        """Brings pictures to the form that a protocol compares."""
        generated, target, target_pose = protocol.prepare(generated, target, target_pose, was_jpeg)
        size = (target.shape[2], target.shape[3])
        return Scene(generated, target, target_pose, person_mask(target_pose, size, skeleton))


@dataclass(frozen=True)
class Measure:
    """One or several numbers of every pair.

    Attributes:
        what: What each number is, by its name.
        compute: Gives the numbers of some pairs, by the same names; NaN where a pair has none.
    """

    what: dict[str, str]
    compute: Callable[[Scene], dict[str, Float[Tensor, "batch"]]]


@dataclass(frozen=True)
class CorpusMeasure:
    """Numbers of all pictures together, from features of each.

    Attributes:
        what: What each number is, by its name.
        generated: Gives features of some generated pictures, by the features' names.
        real: Gives features of some real photos, likewise; empty where none are needed.
        compute: Gives the numbers, each with its `value`, from the batches of features of the
            generated and of the real pictures, both functions from the features' name.
    """

    what: dict[str, str]
    generated: Callable[[Scene], dict[str, Float[Tensor, "batch features"]]]
    real: Callable[[Images], dict[str, Float[Tensor, "batch features"]]]
    compute: Callable[[Columns, Columns], dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Measures:
    """All that is measured.

    Attributes:
        pairs: Of every pair.
        corpus: Of all pictures together.
        unavailable: What could not be measured, and why, by name.
    """

    pairs: list[Measure] = field(default_factory=list)
    corpus: list[CorpusMeasure] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    def what(self) -> dict[str, str]:
        """What every number is, by its name."""
        all_of_them = (*self.pairs, *self.corpus)
        return {name: what for measure in all_of_them for name, what in measure.what.items()}

    @property
    def pair_names(self) -> list[str]:
        """Names of the numbers that every pair has."""
        return [name for measure in self.pairs for name in measure.what]

    def keep(self, names: Sequence[str]) -> "Measures":
        """Leaves out all measures of which no number is named."""
        known = {*self.what, *self.unavailable}
        if unknown := [name for name in names if name not in known]:
            raise InputError(
                f"There is no metric {unknown[0]!r} here; choose among {', '.join(sorted(known))}."
            )
        return Measures(
            [measure for measure in self.pairs if set(names) & set(measure.what)],
            [measure for measure in self.corpus if set(names) & set(measure.what)],
            {name: why for name, why in self.unavailable.items() if name in names},
        )

    def numbers(self, scene: Scene) -> dict[str, Tensor]:
        """Measures some pairs."""
        return {name: n for measure in self.pairs for name, n in measure.compute(scene).items()}

    def generated_features(self, scene: Scene) -> dict[str, Tensor]:
        """Gives the features of some generated pictures."""
        return {name: f for measure in self.corpus for name, f in measure.generated(scene).items()}

    def real_features(self, images: Images) -> dict[str, Tensor]:
        """Gives the features of some real photos."""
        return {name: f for measure in self.corpus for name, f in measure.real(images).items()}

    def of_all(self, generated: Columns, real: Columns) -> dict[str, dict[str, Any]]:
        """Gives the numbers of all pictures together."""
        return {
            name: n for part in self.corpus for name, n in part.compute(generated, real).items()
        }
