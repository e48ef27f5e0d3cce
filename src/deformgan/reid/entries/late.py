"""Late: generated photos on top of the real batch, once the network knows the real ones."""

from deformgan.reid.baseline import BaselineConfig
from deformgan.reid.entries.entry import StepRows, real_rows, sample_added, sample_batch
from deformgan.reid.training_photos import TrainingPhotos


class Late:
    """Adds generated photos to the batch of real ones from `config.switch` of the steps on.

    Their weight rises linearly from there over `config.ramp` of the steps.

    Args:
        config: Training configuration.
        photos: Real and generated photos.

    Source:
        Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification"
        (DG-Net), CVPR 2019, whose losses on generated photos begin late and rise; there with a
        teacher's labels.
    """

    def __init__(self, config: BaselineConfig, photos: TrainingPhotos):
        self._real = sample_batch(config, photos, real_rows(photos))
        self._added = sample_added(config, photos)
        self._from = round(self.switch(config) * config.steps)
        self._rising = round(config.ramp * config.steps)
        self._weight = config.added_weight

    @staticmethod
    def switch(config: BaselineConfig) -> float:
        """Return the fraction of the steps before generated photos are added."""
        return config.switch

    def rows(self, step: int) -> StepRows:
        """See `Entry`."""
        batch, since = self._real.rows(step), step - self._from
        if self._added is None or since < 0:
            return StepRows(batch)
        risen = min(1.0, (since + 1) / self._rising) if self._rising else 1.0
        return StepRows(batch, self._added.rows(since), self._weight * risen)
