"""target_scenes: the photos of target poses without their people, to put others into."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.models.generator import Generator
from deformgan.pair import View
from deformgan.pixels import to_float
from deformgan.push_pull import fill_holes
from deformgan.scene import find_person


@torch.inference_mode()
def target_scenes(
    generator: Generator, pool: PhotoSet, rows: Sequence[int]
) -> Float[Tensor, "rows 3 height width"]:
    """Take the people out of photos.

    The hole of a person is found by the generator's matte of the photo. It is filled smoothly, a
    hundred times faster than with copies of what surrounds it: a person in the same pose will cover
    nearly all of it.

    Args:
        generator: With layers, in evaluation mode.
        pool: Photos with usable poses.
        rows: Which of them.

    Returns:
        In [-1, 1], on the CPU.
    """
    images, poses = to_float(pool.read(rows)), pool.poses[list(rows)]
    device = next(generator.parameters()).device
    mattes = generator.source_matte(View(images.to(device), poses.to(device)))
    holes = [
        find_person(
            None if mattes is None else mattes[[row]].cpu(), poses[[row]], pool.skeleton, pool.size
        )
        for row in range(len(images))
    ]
    return fill_holes(images, torch.cat(holes))
