"""QualityGate: which generated photos are good enough to train on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.detectors.person import PoseDetector
from deformgan.detectors.pose18 import Pose18
from deformgan.evaluation.pckh import joints_met
from deformgan.pose import Pose

SCORES = ("person", "pose", "identity")


@dataclass(frozen=True)
class QualityGate:
    """The least that a generated photo must score: by default what 95 % of real photos do.

    Measured on 240 photos of Market-1501's people to train on: against their own annotation, and
    against a photo of the same person by another camera (of another person's, 5 % reach 0.35).
    Of as many photos by the bundled generator in random poses it rejects 8 %: people who come out
    as shadows, or collapsed (person), turned the wrong way (pose), in other clothes (identity).

    Attributes:
        min_person: How sure the pose detector must be of the torso, in [0, 1].
        min_pose: Which share of the asked joints it must find again, in [0, 1].
        min_identity: How alike source and generated photo must be: cosine of their embeddings, in
            [-1, 1].
    """

    min_person: float = 0.77
    min_pose: float = 0.64
    min_identity: float = 0.31

    def faults(self, scores: Mapping[str, float]) -> list[str]:
        """Names the scores that are too low; none where the photo passes."""
        least = {
            "person": self.min_person,
            "pose": self.min_pose,
            "identity": self.min_identity,
        }
        # So that a score that is no number passes nothing.
        return [name for name in SCORES if not scores[name] >= least[name]]


class GateScores:
    """Measures what the gate asks for.

    Args:
        detector: Looks for the asked joints; sees every photo whole, in one look. The bundled one
            looks at all of a batch at once.
        embedding: Gives photos of people vectors of length 1.
    """

    def __init__(self, detector: PoseDetector, embedding: Callable[[Tensor], Tensor]):
        self.detector = detector
        self.embedding = embedding

    def describe(
        self, photos: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch features"]:
        """Gives the vectors of source photos, which `__call__` compares with."""
        return self.embedding(photos)

    def __call__(
        self,
        generated: UInt8[Tensor, "batch 3 height width"],
        asked: Pose,
        sources: Float[Tensor, "batch features"],
    ) -> list[dict[str, float]]:
        """Scores generated photos.

        Args:
            generated: RGB.
            asked: The poses that were asked for, in pixels of the photos, all with a torso.
            sources: From `describe`, of the photos that they were generated from.
        """
        pixels = list(generated.permute(0, 2, 3, 1).contiguous().numpy())
        if isinstance(self.detector, Pose18):
            seen = self.detector.look(pixels)
        else:
            seen = [self.detector(picture) for picture in pixels]
        met = joints_met(Pose.cat([detection.pose for detection in seen]), asked)
        pose = met.sum(dim=1).double() / asked.visible.sum(dim=1)
        identity = (self.embedding(generated) * sources).sum(dim=1)
        return [
            {"person": detection.torso_score, "pose": share, "identity": cosine}
            for detection, share, cosine in zip(seen, pose.tolist(), identity.tolist(), strict=True)
        ]
