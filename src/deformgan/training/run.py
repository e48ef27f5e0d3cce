"""run: all that a training run needs, put together from names and paths."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.checkpoint import load_generator
from deformgan.datasets.bundled_people import FOLDER
from deformgan.errors import InputError
from deformgan.models.generator import Generator
from deformgan.provenance import provenance
from deformgan.training.checkpoints import last_discriminator, steps_saved
from deformgan.training.config import TrainConfig
from deformgan.training.data import TrainingData, open_data
from deformgan.training.distributed import Fabric
from deformgan.training.engine import Progress
from deformgan.training.launch import open_fabric
from deformgan.training.loop import RESULT, train


@dataclass(frozen=True)
class Run:
    """A training run, ready to start or to resume.

    Attributes:
        config: The run.
        fabric: Device and processes.
        photos: Training data.
        features: VGG-19 for losses and discriminator; None if they need none.
        start: Generator to start from; None for random weights.
        metadata: Goes into the weights file.
        judge: Weights of the discriminator to start from; None for random ones.
    """

    config: TrainConfig
    fabric: Fabric
    photos: TrainingData
    features: Vgg19Features | None
    start: Generator | None
    metadata: Mapping[str, Any]
    judge: Mapping[str, Tensor] | None = None

    @staticmethod
    def open(
        config: TrainConfig,
        data: Sequence[Path] = (),
        rendered: Sequence[Path] = (),
        *,
        vgg: Path | None = None,
        download: bool = False,
        init: str | Path | None = None,
        nobody: Collection[str] | None = None,
        device: torch.device | None = None,
    ) -> "Run":
        """Load data and weights.

        Args:
            config: The run.
            data: Data sets in any layout; the bundled people if there is none.
            rendered: Further data sets of rendered people, mixed in as `config` specifies.
            vgg: VGG-19 weights for the losses; see `Vgg19Features`.
            download: Whether missing VGG-19 weights may be downloaded (548 MB).
            init: Generator to start from, the name of bundled weights or a file; or the folder of
                another run, whose discriminator is taken too. None for random weights.
            nobody: Identities of `data` that are not people; see `open_dataset`.
            device: Device to train on; the CPU by default.

        Raises:
            InputError: If data or weights are missing, or do not fit the configuration.
        """
        fabric = open_fabric(device or torch.device("cpu"))
        features = None
        if layers := config.vgg_layers:
            features = Vgg19Features(vgg, layers, config.vgg_channel_order, download)
            features = features.to(fabric.device)
        start = judge = None
        if init is not None:
            start, judge = _load_start(init, config)
        folders = list(data) or [FOLDER]
        photos = open_data(config, folders, fabric, rendered, nobody)
        metadata = {
            **provenance(),
            "data": [folder.resolve().name for folder in [*folders, *rendered]],
            "size": list(photos.size),
        }
        if init is not None:
            metadata["init"] = Path(init).name
        return Run(config, fabric, photos, features, start, metadata, judge)

    def train(
        self,
        out: Path,
        *,
        resume: bool = False,
        tensorboard: bool = False,
        report: Callable[[Progress], None] = print,
        on_step: Callable[[int], None] = lambda done: None,
    ) -> Path:
        """Train to the last step; see `training.loop.train`.

        Args:
            out: An existing folder.
            resume: Continue from the last checkpoint in the folder.
            tensorboard: Also write TensorBoard events.
            report: Called with the progress at every line of the metrics.
            on_step: Called after every step with the number of steps done.

        Returns:
            Path of the trained generator.
        """
        return train(
            self.config,
            self.photos.batches,
            out,
            fabric=self.fabric,
            features=self.features,
            samples=self.photos.samples,
            metadata=self.metadata,
            resume=resume,
            start=self.start,
            judge=self.judge,
            tensorboard=tensorboard,
            report=report,
            on_step=on_step,
        )


def check_new(out: Path, resume: bool) -> None:
    """Raise `InputError` if a folder contains a run that is not to be resumed."""
    if steps_saved(out) and not resume:
        raise InputError(f"{out} already contains a run; use resume= to continue it.")


def _load_start(
    init: str | Path, config: TrainConfig
) -> tuple[Generator, Mapping[str, Tensor] | None]:
    """Load the generator to start from, and the discriminator of a run's folder."""
    weights, judge, folder = init, None, Path(init)
    if folder.is_dir() and (folder / RESULT).exists():
        weights = folder / RESULT
        judge = last_discriminator(folder, config)
    generator, _ = load_generator(weights, background=True)
    given, wanted = asdict(generator.config), asdict(config.generator)
    # Background and layers can be added to a generator that was trained without them.
    for added in ("background", "layers"):
        if not given[added]:
            given[added] = wanted[added]
    if given != wanted:
        raise InputError(
            f"The generator {weights} has a different architecture than {config.recipe}; start "
            "from one trained with this recipe."
        )
    return generator, judge
