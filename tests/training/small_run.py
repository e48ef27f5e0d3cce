"""A small run as a process of its own, or as one of several.

python small_run.py OUT STEPS [layered]
torchrun --nproc-per-node 2 small_run.py OUT STEPS [layered]
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from deformgan.datasets.batches import MixedBatches, PairBatches
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.pose import Pose
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.launch import open_fabric
from deformgan.training.loop import train

SIZE = (64, 32)
CONFIG = TrainConfig(
    recipe="test",
    generator=GeneratorConfig(
        encoder_widths=(4, 6, 8, 8), decoder_widths=(8, 8, 6), warped_levels=2, blend=True
    ),
    discriminator=DiscriminatorConfig(widths=(4, 6), local_levels=(0,)),
    weights=LossWeights(nearest_neighbour_pixels=0.5, person=3.0),
    batch_size=8,
    steps=4,
    learning_rate=1e-3,
    ema_decay=0.9,
    gradient_clip=20.0,
    flip=True,
    log_every=2,
    save_every=2,
)
# Of two sizes, of which the larger alone is judged at its own rows.
LAYERED = replace(
    CONFIG,
    generator=replace(
        CONFIG.generator,
        upsampling="resize",
        # Steeper decisions saturate on noise, and Adam enlarges the rounding of tiny gradients.
        layers=LayersConfig(
            rows=32, decision=(1.0, 1.0), field_widths=(16, 16, 16), detail_widths=(6, 4)
        ),
    ),
    discriminator=replace(CONFIG.discriminator, rows=32, fine_widths=(4, 6)),
)


@dataclass
class Images:
    """A data set in memory, as `PairedImages` asks."""

    images: Tensor
    poses: Pose
    pairs: Tensor


def images(seed: int, size: tuple[int, int] = SIZE, smooth: bool = False) -> Images:
    """Noise, and joints at random.

    A layered generator samples photos at tens of thousands of places, and rounding moves some of
    them across the edge of a pixel, where the gradient jumps: by as much as noise does from pixel
    to pixel, and hardly in a smooth photo.
    """
    random = torch.Generator().manual_seed(seed)
    photos = torch.randint(0, 256, (6, 3, *size), generator=random, dtype=torch.uint8)
    if smooth:
        coarse = torch.rand(6, 3, 4, 2, generator=random) * 255
        photos = F.interpolate(coarse, size, mode="bicubic").clamp(0, 255).byte()
    joints = torch.rand(6, 18, 2, generator=random) * torch.tensor([size[1], size[0]])
    seen = torch.rand(6, 18, generator=random) < 0.9
    seen[:, [2, 5, 8, 11]] = True  # shoulders and hips
    pairs = torch.tensor([(i, j) for i in range(6) for j in range(6) if i != j])
    return Images(photos, Pose(joints, seen), pairs)


def main(out: Path, steps: int, layered: bool) -> None:
    """Trains, from the last checkpoint on if there is one."""
    fabric = open_fabric(torch.device("cpu"))
    config = LAYERED if layered else CONFIG
    part = {"flip": True, "place": fabric.global_rank, "places": fabric.world_size}
    if layered:
        kinds = [
            PairBatches(images(seed, size, smooth=True), config.batch_size, **part)
            for seed, size in ((1, (32, 16)), (2, SIZE))
        ]
        batches = MixedBatches(kinds, [0.5, 0.5])
    else:
        both = [images(1), images(2)]
        batches = PairBatches(both, config.batch_size, proportions=[0.7, 0.3], **part)
    train(
        replace(config, steps=steps),
        batches,
        out,
        fabric=fabric,
        features=None,
        samples=None,
        metadata={},
        resume=True,
        report=lambda progress: None,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "layered" in sys.argv[3:])
