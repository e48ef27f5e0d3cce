"""Ways in which generated photos enter the training of a Re-ID network."""

from collections.abc import Callable
from dataclasses import dataclass

from deformgan.reid.baseline import BaselineConfig
from deformgan.reid.entries.entry import Entry
from deformgan.reid.entries.first import First
from deformgan.reid.entries.late import Late
from deformgan.reid.entries.mixed import Mixed
from deformgan.reid.entries.on_top import OnTop
from deformgan.reid.training_photos import TrainingPhotos

ENTRIES: dict[str, Callable[[BaselineConfig, TrainingPhotos], Entry]] = {
    "mixed": Mixed,
    "on-top": OnTop,
    "first": First,
    "late": Late,
}
# Entries that add photos to the real batch, so that a step costs more.
BESIDE: dict[str, type[Late]] = {"on-top": OnTop, "late": Late}

_SMALL_COST = 0.25  # of a photo at half height and width


@dataclass(frozen=True)
class Exposures:
    """How often a run sees photos; a photo counts once for each batch it is in.

    Attributes:
        real: Real photos seen.
        generated: Generated photos seen.
        steps: Optimizer steps.
    """

    real: int
    generated: int
    steps: int


def count_exposures(config: BaselineConfig, photos: TrainingPhotos) -> Exposures:
    """Count what a run sees, by drawing all its batches."""
    entry = ENTRIES[config.entry](config, photos)
    generated = total = 0
    for step in range(config.steps):
        rows = entry.rows(step)
        generated += int(photos.generated[rows.batch].sum()) + len(rows.added)
        total += len(rows.batch) + len(rows.added)
    return Exposures(total - generated, generated, config.steps)


def steps_of_equal_cost(config: BaselineConfig) -> int:
    """Return the number of steps without generated photos that cost as much as a run with them.

    Args:
        config: Configuration of the run with photos beside its batches.
    """
    begins = round(BESIDE[config.entry].switch(config) * config.steps)
    small_for = round(config.small * config.steps)

    def cost(step: int) -> float:
        return _SMALL_COST if step < small_for else 1.0

    alone = sum(cost(step) for step in range(config.steps))
    beside = sum(cost(step) for step in range(begins, config.steps))
    return round(config.steps * (1 + config.added * beside / (config.batch_size * alone)))
