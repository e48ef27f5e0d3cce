"""Generation, scoring and judging of pictures of test pairs."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.evaluation.score import score
from deformgan.models.generator import Generator
from deformgan.painting import paint
from deformgan.pair import View
from deformgan.pixels import to_float
from deformgan.pose import Pose

BATCH = 50

# (pictures, target photos, target poses) -> one number per picture.
Judge = Callable[[Tensor, Tensor, Pose], Tensor]


@torch.inference_mode()
def generate_pictures(
    generator: Generator,
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
) -> UInt8[Tensor, "pairs 3 height width"]:
    """Generate every source person in the target's pose, as 8-bit pictures.

    Args:
        generator: Generator in evaluation mode.
        people: Photos and poses.
        pairs: Indices of source and target.
    """
    pictures = []
    for part in pairs.split(BATCH):
        source, target = part.unbind(dim=1)
        view = View(to_float(people.images[source]), people.poses[source])
        pictures.append(paint(generator, view, people.poses[target]))
    return torch.cat(pictures)


def score_pictures(
    pictures: UInt8[Tensor, "pairs 3 height width"],
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
) -> dict[str, Float[Tensor, "pairs"]]:
    """Score one picture per pair against the target photo; see `score`."""
    parts = []
    for part, painted in zip(pairs.split(BATCH), pictures.split(BATCH), strict=True):
        target = part[:, 1]
        parts.append(score(painted, people.images[target], people.poses[target], people.skeleton))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def judge_pictures(
    pictures: UInt8[Tensor, "pairs 3 height width"],
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
    judges: Mapping[str, Judge],
) -> dict[str, Float[Tensor, "pairs"]]:
    """Score one picture per pair with judges; see `load_judges`."""
    targets = pairs[:, 1]
    photos, asked = people.images[targets], people.poses[targets]
    return {name: judge(pictures, photos, asked) for name, judge in judges.items()}
