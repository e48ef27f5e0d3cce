"""Fixtures of the Re-ID tests: photos of people who are easy to tell apart."""

from collections.abc import Callable
from typing import Any

import pytest
import torch


@pytest.fixture
def photos() -> Callable[..., Any]:
    """Return a function that makes `TrainingPhotos`: everybody has two colours, and there is noise.

    Every third photo counts as generated; cameras alternate.
    """
    from deformgan.reid.training_photos import TrainingPhotos

    def make(people: int = 6, each: int = 5, size: tuple[int, int] = (64, 32), soft: bool = False):
        random = torch.Generator().manual_seed(people)
        colours = torch.randint(40, 215, (people, 2, 3, 1, 1), generator=random)
        height, width = size
        images = torch.cat([colours[:, 0].expand(-1, -1, height // 2, width)] * 1, dim=2)
        images = torch.cat([images, colours[:, 1].expand(-1, -1, height // 2, width)], dim=2)
        images = images.repeat_interleave(each, dim=0)
        noise = torch.randint(-25, 26, images.shape, generator=random)
        count = people * each
        generated = torch.arange(count) % 3 == 2
        return TrainingPhotos(
            names=[f"{row:04d}.jpg" for row in range(count)],
            images=(images + noise).clamp(0, 255).to(torch.uint8),
            classes=torch.arange(people).repeat_interleave(each),
            cameras=torch.arange(count) % 2 + 1,
            generated=generated,
            soft=generated & soft,
        )

    return make
