"""Copy: unchanged copies, the control for the number of photos."""

from typing import Any

import torch

from deformgan.reid.augmenter import as_generated
from deformgan.reid.training_photos import TrainingPhotos


class Copy:
    """Augmenter that repeats photos unchanged."""

    def describe(self) -> dict[str, Any]:
        """See `Augmenter`."""
        return {"simple": "copy"}

    def generate(self, kept: TrainingPhotos, count: int, seed: int) -> TrainingPhotos:
        """See `Augmenter`."""
        rows = torch.arange(len(kept)).repeat(count)
        numbers = [number for number in range(1, count + 1) for _ in range(len(kept))]
        return as_generated(kept, rows, numbers, kept.images[rows])
