"""Generation, scoring and judging of pictures of test pairs."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.evaluation.score import score
from deformgan.framing import Framing
from deformgan.models.generator import Generator
from deformgan.painting import paint
from deformgan.pair import View
from deformgan.pixels import to_float, to_image, to_photos
from deformgan.pose import Pose
from deformgan.scene import frame_scene
from deformgan.staging import Staging

BATCH = 50

# (pictures, target photos, target poses) -> one number per picture.
Judge = Callable[[Tensor, Tensor, Pose], Tensor]


@torch.inference_mode()
def generate_pictures(
    generator: Generator,
    people: PhotoSet,
    pairs: Int64[Tensor, "pairs 2"],
    *,
    in_source_scene: bool = False,
) -> UInt8[Tensor, "pairs 3 height width"]:
    """Generate every source person in the target's pose, as 8-bit pictures.

    Args:
        generator: Generator in evaluation mode.
        people: Photos and poses.
        pairs: Indices of source and target.
        in_source_scene: Whether people stand in front of their photo's scene; needs layers.
    """
    pictures = []
    for part in pairs.split(BATCH):
        source, target = part.unbind(dim=1)
        images, poses = people.images[source], people.poses[source]
        background = None
        if in_source_scene:
            background = empty_photos(generator, people.size, images, poses, people.size)
        view = View(to_float(images), poses)
        pictures.append(paint(generator, view, people.poses[target], background=background))
    return torch.cat(pictures)


def empty_photos(
    generator: Generator,
    framed_size: tuple[int, int],
    images: UInt8[Tensor, "batch 3 height width"],
    poses: Pose,
    size: tuple[int, int],
) -> Float[Tensor, "batch 3 rows columns"]:
    """Take people out of their photos, and fit what remains into a size as `paint` does.

    Args:
        generator: With layers, which find the people.
        framed_size: Height and width of photos that count as framed; see `is_framed`.
        images: The photos; those without a usable pose stay as they are.
        poses: Poses of the people.
        size: Height and width of the result.
    """
    staging = Staging(generator, framed_size)
    usable = poses.usable(generator.skeleton).tolist()
    scenes = []
    for row, photo in enumerate(to_photos(images)):
        scene = staging.empty(photo, poses[[row]]) if usable[row] else photo
        framing = Framing.padded((photo.shape[0], photo.shape[1]), size)
        scenes.append(to_image(frame_scene(scene, framing)))
    return torch.cat(scenes)


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
