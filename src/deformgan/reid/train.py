"""Training of Re-ID baselines, on the generator's training engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from deformgan.reid.baseline import Baseline, BaselineConfig, save_baseline
from deformgan.reid.batches import ReidBatches
from deformgan.reid.heads import Heads
from deformgan.reid.training_photos import TrainingPhotos
from deformgan.training.distributed import Fabric
from deformgan.training.engine import Progress, Terms, run_steps
from deformgan.training.launch import autocast
from deformgan.training.records import Records

RESULT = "baseline.safetensors"


@dataclass(frozen=True)
class Student:
    """The state of a training run.

    Attributes:
        heads: Baseline with its training heads.
        shared: The same module, wrapped for training in several processes.
        optimizer: Optimizer of all parameters.
    """

    heads: Heads
    shared: torch.nn.Module
    optimizer: torch.optim.Optimizer

    @staticmethod
    def create(
        config: BaselineConfig, num_classes: int, fabric: Fabric, imagenet: Path | None = None
    ) -> tuple["Student", str]:
        """Initialize a network from the run's seed or ImageNet weights.

        Args:
            config: Training configuration.
            num_classes: Number of training identities.
            fabric: Device and processes.
            imagenet: torchvision's ResNet-50 weights; None to train from scratch.

        Returns:
            The training state, and the name of the initial weights.
        """
        torch.manual_seed(config.seed)
        baseline = Baseline(config)
        start = "scratch"
        if imagenet is not None:
            start = baseline.start_from_imagenet(imagenet)
        heads = Heads(baseline, num_classes).to(fabric.device)
        heads = heads.to(memory_format=torch.channels_last)
        moved = [parameter for parameter in heads.parameters() if parameter.requires_grad]
        if config.optimizer == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD(
                moved, config.learning_rate, momentum=0.9, weight_decay=config.weight_decay
            )
        else:
            optimizer = torch.optim.AdamW(
                moved, config.learning_rate, weight_decay=config.weight_decay, fused=True
            )
        return Student(heads, fabric.share(heads), optimizer), start

    def state(self) -> dict[str, Any]:
        """Return everything needed to resume training."""
        return {"heads": self.heads.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.heads.load_state_dict(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])


def train_baseline(
    config: BaselineConfig,
    photos: TrainingPhotos,
    out: Path,
    *,
    fabric: Fabric,
    metadata: Mapping[str, Any],
    resume: bool = False,
    imagenet: Path | None = None,
    report: Callable[[Progress], None] = print,
    on_step: Callable[[int], None] = lambda done: None,
) -> Path:
    """Train a baseline to its last step.

    Writes the records and checkpoints of `run_steps`, and `baseline.safetensors`, into `out`.

    Args:
        config: Training configuration.
        photos: Training photos.
        out: An existing folder.
        fabric: Device, precision and processes.
        metadata: Metadata for the weights file.
        resume: Whether to resume from the folder's last checkpoint, if it has one.
        imagenet: torchvision's ResNet-50 weights; None to train from scratch.
        report: Called with the progress, on rank 0.
        on_step: Called after every step with the number of finished steps.

    Returns:
        Path of the trained network.

    Raises:
        DivergedError: If a loss term is not finite.
    """
    student, start = Student.create(config, photos.num_classes, fabric, imagenet)
    batches = ReidBatches(
        photos,
        config.size,
        config.batch_size,
        config.photos,
        seed=config.seed,
        crop=config.crop,
        random_erasing=config.random_erasing,
        small_for=round(config.small * config.steps),
        device=fabric.device,
        place=fabric.global_rank,
        places=fabric.world_size,
    )

    def step(number: int) -> Terms:
        rate = config.learning_rate_at(number)
        for group in student.optimizer.param_groups:
            group["lr"] = rate
        images, rows = batches[number]
        images = images.contiguous(memory_format=torch.channels_last)
        classes, soft = (part[rows].to(fabric.device) for part in (photos.classes, photos.soft))
        student.shared.train()
        with autocast(config, fabric.device):
            terms = student.shared(images, classes, soft)
        student.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        student.optimizer.step()
        return {name: term.detach() for name, term in terms.items()}

    def save(done: int, records: Records) -> None:
        described = {
            **metadata,
            "start": start,
            "steps": done,
            "people": int(photos.classes.unique().numel()),
            "photos": len(photos),
            "generated": int(photos.generated.sum()),
        }
        save_baseline(out / RESULT, student.heads.baseline, described)

    run_steps(
        config,
        student,
        out,
        step,
        fabric=fabric,
        data=batches.fingerprint(),
        describe=batches.describe,
        save=save,
        resume=resume,
        report=report,
        on_step=on_step,
    )
    return out / RESULT
