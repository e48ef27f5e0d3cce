"""Copy: every photo once more, the control that shows what "more of the same" does."""

from typing import Any

import torch

from deformgan.reid.augmenter import as_generated
from deformgan.reid.training_photos import TrainingPhotos


class Copy:
    """Repeats photos as they are."""

    def describe(self) -> dict[str, Any]:
        """See `Augmenter`."""
        return {"rival": "copy"}

    def generate(self, kept: TrainingPhotos, count: int, seed: int) -> TrainingPhotos:
        """See `Augmenter`."""
        rows = torch.arange(len(kept)).repeat(count)
        numbers = [number for number in range(1, count + 1) for _ in range(len(kept))]
        return as_generated(kept, rows, numbers, kept.images[rows])
