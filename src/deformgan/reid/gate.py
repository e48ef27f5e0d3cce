"""Quality gate: which generated photos are good enough to train on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.detectors.person import PoseDetector
from deformgan.detectors.pose18 import Pose18
from deformgan.errors import InputError
from deformgan.evaluation.pckh import joints_met
from deformgan.pose import Pose

_RANGES = {
    "min_person": (0, 1),
    "min_pose": (0, 1),
    "min_identity": (-1, 1),
    "max_similarity": (-1, 1),
    "min_pose_distance": (0, 10),
}


@dataclass(frozen=True)
class QualityGate:
    """Minimum scores of a generated photo; by default those that 95 % of real photos reach.

    Calibrated on 240 training photos of Market-1501, against their own annotation and against a
    photo of the same identity by another camera (of pairs of different identities, 5 % reach 0.35).
    Of as many photos by the bundled generator in random poses it rejects 8 %: people rendered as
    shadows or collapsed (person), facing the wrong way (pose), in other clothes (identity).

    A photo may also have to add something to what is already there: the real photos of the person,
    and the photos generated from the same source that have passed. By default it need not.

    Attributes:
        min_person: Minimum torso confidence of the pose detector, in [0, 1].
        min_pose: Minimum fraction of target joints that the detector finds, in [0, 1].
        min_identity: Minimum cosine similarity between the embeddings of source and generated
            photo, in [-1, 1].
        max_similarity: Maximum cosine similarity to any photo that is already there, in [-1, 1];
            None accepts copies.
        min_pose_distance: Minimum distance of a target pose to the pose of any photo that is
            already there, in torso lengths, see `smallest_distance`; None accepts any pose.
    """

    min_person: float = 0.77
    min_pose: float = 0.64
    min_identity: float = 0.31
    max_similarity: float | None = None
    min_pose_distance: float | None = None

    @property
    def asks_for_variety(self) -> bool:
        """Whether photos are compared with what is already there."""
        return self.max_similarity is not None or self.min_pose_distance is not None

    def check(self) -> None:
        """Check that the limits are in range.

        Raises:
            InputError: If one is not; it is named as the command's flag.
        """
        for field in fields(self):
            limit, (least, most) = getattr(self, field.name), _RANGES[field.name]
            if limit is not None and not least <= limit <= most:
                flag = field.name.replace("_", "-")
                raise InputError(f"--{flag} is {limit}; it must be in [{least}, {most}].")

    def faults(self, scores: Mapping[str, float]) -> list[str]:
        """Return the names of scores that are too low; empty if the photo passes."""
        least = {
            "person": self.min_person,
            "pose": self.min_pose,
            "identity": self.min_identity,
        }
        if self.max_similarity is not None:
            least["variety"] = 1 - self.max_similarity
        if self.min_pose_distance is not None:
            least["pose_variety"] = self.min_pose_distance
        # Negated comparison, so that NaN never passes.
        return [name for name, limit in least.items() if not scores[name] >= limit]


class GateScores:
    """Scorer of generated photos for the quality gate.

    Args:
        detector: Pose detector, applied once to each whole photo; the bundled one runs on a whole
            batch at once.
        embedding: Returns L2-normalized embeddings of photos of people.
    """

    def __init__(self, detector: PoseDetector, embedding: Callable[[Tensor], Tensor]):
        self.detector = detector
        self.embedding = embedding

    def describe(
        self, photos: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch features"]:
        """Return the embeddings of source photos, for `__call__`."""
        return self.embedding(photos)

    def __call__(
        self,
        generated: UInt8[Tensor, "batch 3 height width"],
        asked: Pose,
        sources: Float[Tensor, "batch features"],
    ) -> tuple[list[dict[str, float]], Float[Tensor, "batch features"]]:
        """Score generated photos.

        Args:
            generated: RGB.
            asked: Target poses in pixels of the photos, all with a torso.
            sources: Embeddings of the source photos, from `describe`.

        Returns:
            Scores of each photo by name, and the embeddings of the generated photos.
        """
        pixels = list(generated.permute(0, 2, 3, 1).contiguous().numpy())
        if isinstance(self.detector, Pose18):
            seen = self.detector.look(pixels)
        else:
            seen = [self.detector(picture) for picture in pixels]
        met = joints_met(Pose.cat([detection.pose for detection in seen]), asked)
        pose = met.sum(dim=1).double() / asked.visible.sum(dim=1)
        vectors = self.embedding(generated)
        identity = (vectors * sources).sum(dim=1)
        scores = [
            {"person": detection.torso_score, "pose": share, "identity": cosine}
            for detection, share, cosine in zip(seen, pose.tolist(), identity.tolist(), strict=True)
        ]
        return scores, vectors
