"""First: train on generated photos, then on real ones."""

from deformgan.reid.baseline import BaselineConfig
from deformgan.reid.entries.entry import StepRows, real_rows, sample_batch
from deformgan.reid.training_photos import TrainingPhotos


class First:
    """Draws generated photos for `config.switch` of the steps, real ones for the rest.

    Args:
        config: Training configuration.
        photos: Real and generated photos.
    """

    def __init__(self, config: BaselineConfig, photos: TrainingPhotos):
        self._real = sample_batch(config, photos, real_rows(photos))
        generated = photos.generated.nonzero()[:, 0]
        self._generated = sample_batch(config, photos, generated)
        self._until = round(config.switch * config.steps) if len(generated) else 0

    def rows(self, step: int) -> StepRows:
        """See `Entry`."""
        return StepRows((self._generated if step < self._until else self._real).rows(step))
