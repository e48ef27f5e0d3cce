"""Training of Re-ID baselines, on the generator's training engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.reid.baseline import Baseline, BaselineConfig, save_baseline
from deformgan.reid.batches import ReidBatches
from deformgan.reid.entries import ENTRIES
from deformgan.reid.heads import Heads, label_distributions
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
            imagenet: See `train_baseline`.

        Returns:
            The training state, and the name of the initial weights.
        """
        torch.manual_seed(config.seed)
        baseline = Baseline(config)
        start = "scratch"
        if imagenet is not None or config.pretrained:
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
    teacher: Float[Tensor, "photos classes"] | None = None,
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
        imagenet: ImageNet weights; None for those of an installed package if the configuration is
            `pretrained`, else to train from scratch.
        teacher: Labels of the generated photos; rows of real ones are not used. None for the
            photos' own labels.
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
        ENTRIES[config.entry](config, photos),
        config.size,
        seed=config.seed,
        crop=config.crop,
        random_erasing=config.random_erasing,
        small_for=round(config.small * config.steps),
        device=fabric.device,
        place=fabric.global_rank,
        places=fabric.world_size,
    )

    def labels_of(rows: Int64[Tensor, "rows"], smoothing: float) -> Float[Tensor, "rows classes"]:
        labels = label_distributions(
            photos.classes[rows], photos.soft[rows], photos.num_classes, smoothing
        )
        if teacher is not None:
            labels = torch.where(photos.generated[rows, None], teacher[rows].float(), labels)
        return labels.to(fabric.device)

    def step(number: int) -> Terms:
        rate = config.learning_rate_at(number)
        for group in student.optimizer.param_groups:
            group["lr"] = rate
        batch = batches[number]
        images = batch.images.contiguous(memory_format=torch.channels_last)
        classes, soft = (
            part[batch.rows].to(fabric.device) for part in (photos.classes, photos.soft)
        )
        beside = ()
        if batch.added is not None:
            beside = (
                batch.added.contiguous(memory_format=torch.channels_last),
                labels_of(batch.added_rows, config.added_smoothing),
            )
        student.shared.train()
        labels = labels_of(batch.rows, config.smoothing)
        with autocast(config, fabric.device):
            terms = student.shared(images, classes, soft, labels, *beside)
        if "added" in terms:
            terms["added"] = batch.weight * terms["added"]
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
            "labels": "own" if teacher is None else "teacher",
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
