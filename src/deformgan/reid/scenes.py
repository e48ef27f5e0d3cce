"""target_scenes: the photos of target poses without their people, to put others into."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.datasets.backgrounds import fill_holes
from deformgan.datasets.image_cache import load_images
from deformgan.datasets.photo_set import PhotoSet
from deformgan.models.generator import Generator
from deformgan.pair import View
from deformgan.pixels import to_float
from deformgan.scene import find_person


def read_images(photos: PhotoSet, rows: Sequence[int]) -> UInt8[Tensor, "rows 3 height width"]:
    """Read images of some photos of a set."""
    framings = None if photos.framings is None else [photos.framings[row] for row in rows]
    return load_images([photos.paths[row] for row in rows], photos.size, framings)


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
    images, poses = read_images(pool, rows), pool.poses[list(rows)]
    device = next(generator.parameters()).device
    mattes = generator.source_matte(View(to_float(images).to(device), poses.to(device)))
    holes = [
        find_person(
            None if mattes is None else mattes[[row]].cpu(), poses[[row]], pool.skeleton, pool.size
        )
        for row in range(len(images))
    ]
    return fill_holes(to_float(images), torch.cat(holes))
