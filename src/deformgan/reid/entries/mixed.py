"""Mixed: real and generated photos in one pool, as in the paper."""

import torch

from deformgan.reid.baseline import BaselineConfig
from deformgan.reid.entries.entry import StepRows, sample_batch
from deformgan.reid.training_photos import TrainingPhotos


class Mixed:
    """Draws batches from all photos alike, so that generated photos take the place of real ones.

    At equal steps every real photo is seen less often than without generated ones.

    Args:
        config: Training configuration.
        photos: Real and generated photos.
    """

    def __init__(self, config: BaselineConfig, photos: TrainingPhotos):
        self._pool = sample_batch(config, photos, torch.arange(len(photos)))

    def rows(self, step: int) -> StepRows:
        """See `Entry`."""
        return StepRows(self._pool.rows(step))
