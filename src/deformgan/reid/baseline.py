"""Re-ID baselines: standard networks to measure the value of training photos."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
import torchvision
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from deformgan.backbones.efficientnet_lite0 import FEATURES, Lite0Body, read_lite0
from deformgan.backbones.person_embedding import PersonEmbedding
from deformgan.backbones.weights_file import find_weights, read_network, read_state
from deformgan.backbones.weights_header import build_network, parse_config, parse_metadata
from deformgan.device import Precision
from deformgan.errors import InputError
from deformgan.evaluation.identity import DEVIATION, MEAN
from deformgan.files import write_safetensors

KIND = "reid_baseline"  # "kind" in a file's metadata
BATCH = 64  # images per forward pass

# Only the file name is used, see `find_weights`.
_MOST_SIDE = 4096  # of photos
_IMAGENET = "resnet50-11ad3fa6.pth"

Network = Literal["light", "lite0", "resnet50"]
Method = Literal["ide", "de", "bot"]
EntryName = Literal["mixed", "on-top", "first", "late"]


@dataclass(frozen=True)
class BaselineConfig:
    """Configuration of a baseline and its training.

    Attributes:
        name: Name in logs and reports.
        network: "light" (0.6 M parameters, the body of the bundled person embedding), "lite0"
            (EfficientNet-Lite0 without its classifier, 3.4 M) or "resnet50".
        pretrained: Whether to start from ImageNet weights: of the installed package for "lite0", or
            of a file that the user names.
        method: "ide" classifies identities; "de" also verifies whether two photos show the same
            person; "bot" is a bag of tricks; see `Heads`.
        size: (height, width) of the input images.
        batch_size: Photos per step, over all processes.
        photos: Photos per identity in a batch; 1 samples photos regardless of identity, which only
            "ide" supports.
        steps: Number of optimizer steps.
        optimizer: "sgd" (momentum 0.9) or "adamw".
        learning_rate: Peak learning rate.
        warm_up: Steps of linear warm-up.
        drops: Fractions of the steps after which the learning rate is divided by 10; if empty, it
            follows a half cosine to 0.
        weight_decay: Weight decay of the optimizer.
        smoothing: Label smoothing.
        crop: Maximum random shift as a fraction of the image height; the border is padded with
            grey.
        random_erasing: Whether to erase a rectangle in half of the photos.
        small: Fraction of the steps, at the start, trained at half height and width, i.e. at a
            quarter of the cost.
        entry: How generated photos enter, see `ENTRIES`: "mixed" into one pool with the real ones,
            "on-top" of every real batch, "first", before the real ones, or "late", on top from a
            later step on.
        added: Generated photos per step on top of the real batch ("on-top", "late").
        added_smoothing: Their label smoothing.
        added_weight: Weight of their loss.
        added_statistics: Whether batch norms normalize them "shared", together with the batch, or
            as a batch of their "own", which the running statistics leave out.
        switch: Fraction of the steps at which "late" begins to add generated photos, or "first"
            ends with them.
        ramp: Fraction of the steps over which the weight of added photos rises to its value.
        precision: As in `TrainConfig`.
        seed: Random seed for weights, order and augmentation.
        log_every: Steps between lines of `metrics.jsonl`.
        save_every: Steps between checkpoints.
        keep: Number of latest checkpoints to keep.
    """

    name: str
    network: Network = "light"
    pretrained: bool = False
    method: Method = "ide"
    size: tuple[int, int] = (128, 64)
    batch_size: int = 64
    photos: int = 1
    steps: int = 1_000
    optimizer: Literal["sgd", "adamw"] = "adamw"
    learning_rate: float = 2e-3
    warm_up: int = 0
    drops: tuple[float, ...] = ()
    weight_decay: float = 5e-4
    smoothing: float = 0.0
    crop: float = 0.04
    random_erasing: bool = False
    small: float = 0.0
    entry: EntryName = "mixed"
    added: int = 24
    added_smoothing: float = 0.1
    added_weight: float = 1.0
    added_statistics: Literal["own", "shared"] = "own"
    switch: float = 0.4
    ramp: float = 0.0
    precision: Precision = "float32"
    seed: int = 0
    log_every: int = 50
    save_every: int = 500
    keep: int = 1

    def __post_init__(self):
        for name in (
            "batch_size",
            "photos",
            "steps",
            "learning_rate",
            "added",
            "added_weight",
            "log_every",
            "save_every",
        ):
            if not 0 < (value := getattr(self, name)) < float("inf"):
                raise ValueError(f"{name} must be positive, got {value}")
        for name in ("small", "smoothing", "crop", "added_smoothing", "switch", "ramp"):
            if not 0 <= (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {value}")
        if min(self.warm_up, self.seed, self.weight_decay) < 0 or self.keep < 1:
            raise ValueError("warm_up, seed and weight_decay must not be negative, keep at least 1")
        if self.method != "ide" and self.photos < 2:
            raise ValueError(f"{self.method} needs photos to be at least 2, got {self.photos}")
        if self.batch_size % self.photos or self.batch_size < 2 * self.photos:
            raise ValueError(
                f"batch_size must be a multiple of photos ({self.photos}), for at least 2 "
                f"identities, got {self.batch_size}"
            )
        if self.pretrained and self.network == "light":
            raise ValueError("network light has no ImageNet weights; pretrained must be False")
        if min(self.size) < 32:
            raise ValueError(f"size must be at least 32x32, got {self.size[0]}x{self.size[1]}")

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rising = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        if not self.drops:
            half = torch.pi * step / self.steps
            return self.learning_rate * rising * 0.5 * (1 + float(torch.cos(torch.tensor(half))))
        passed = sum(step >= drop * self.steps for drop in self.drops)
        return self.learning_rate * rising * 0.1**passed


class Baseline(nn.Module):
    """A network that embeds photos of people.

    Attributes:
        config: Architecture and training configuration.
        num_features: Length of the embeddings.
        metadata: Training metadata, if the weights were read from a file.
    """

    def __init__(self, config: BaselineConfig):
        super().__init__()
        self.config = config
        self.metadata: dict[str, Any] = {}
        if config.network == "light":
            light = PersonEmbedding()
            light.add_module("neck", nn.Identity())  # the method adds its own neck, or none
            self.body: nn.Module = light
            self.num_features = light.config.features
            mean, deviation = (0.5,) * 3, (0.5,) * 3
        elif config.network == "lite0":
            # Last stride 1 as for ResNet-50: at 128x64, 8x4 instead of 4x2 positions at the end.
            self.body = Lite0Body(last_stride=1 if config.method == "bot" else 2)
            self.num_features = FEATURES
            mean, deviation = (127 / 255,) * 3, (128 / 255,) * 3
        else:
            self.body = _resnet50(last_stride=1 if config.method == "bot" else 2)
            self.num_features = 2048
            mean, deviation = MEAN, DEVIATION
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)
        self.neck = _neck(self.num_features) if config.method == "bot" else nn.Identity()

    def describe(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch features"], Float[Tensor, "batch features"]]:
        """Return unnormalized embeddings before and after the neck, with gradients.

        Args:
            images: RGB in [0, 1].
        """
        pixels = (images - self.mean) / self.deviation
        if isinstance(self.body, PersonEmbedding):
            features = self.body.describe(pixels)
        elif isinstance(self.body, Lite0Body):
            features = self.body.describe(pixels).pooled
        else:
            features = self.body(pixels)
        return features, self.neck(features)

    @torch.inference_mode()
    def forward(
        self, images: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch features"]:
        """Return one L2-normalized embedding per image.

        Args:
            images: RGB, cropped to one person each; resized to the network's input size.
        """
        device = self.mean.device
        vectors = []
        for part in images.split(BATCH):
            pixels = part.to(device).float() / 255
            if pixels.shape[2:] != self.config.size:
                pixels = F.interpolate(pixels, self.config.size, mode="bilinear", antialias=True)
            vectors.append(F.normalize(self.describe(pixels)[1], dim=1))
        return torch.cat(vectors).to(images.device)

    def start_from_imagenet(self, path: Path | None) -> str:
        """Load ImageNet weights of the body.

        Args:
            path: The published file of ResNet-50 (torchvision's .pth) or EfficientNet-Lite0. None
                looks in torch's hub folder or, for the latter, in the installed package.

        Returns:
            Name of the weights for the report.
        """
        if self.config.network == "lite0":
            file, state = read_lite0(path)
            what = "EfficientNet-Lite0"
        elif self.config.network == "resnet50":
            file = find_weights("The baseline", _IMAGENET, path)
            what = "torchvision's resnet50"
            state = read_state(file, what)
        else:
            raise InputError("Network light has no ImageNet weights; choose lite0 or resnet50.")
        state = {
            name: value
            for name, value in state.items()
            if not name.startswith(("fc.", "classifier."))
        }
        try:
            self.body.load_state_dict(state)
        except RuntimeError:  # its message lists every mismatched name and shape
            raise InputError(f"{file.path} does not hold {what}.") from None
        return file.name


def _resnet50(last_stride: int) -> nn.Module:
    network = torchvision.models.resnet50()
    network.fc = nn.Identity()
    if last_stride == 1:
        # Luo et al., 2019: higher resolution of the last features.
        first: Any = network.layer4[0]
        first.conv2.stride = first.downsample[0].stride = (1, 1)
    return network


def _neck(features: int) -> nn.BatchNorm1d:
    neck = nn.BatchNorm1d(features)
    neck.bias.requires_grad_(False)  # Luo et al., 2019: no shift, so that features stay centred
    return neck


def save_baseline(path: Path, baseline: Baseline, metadata: Mapping[str, Any]) -> None:
    """Write the network without its classification heads.

    Args:
        path: A .safetensors file; overwritten if it exists.
        baseline: Network to save; its weights are stored as float16.
        metadata: JSON-serializable metadata.
    """
    weights = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in baseline.state_dict().items()
    }
    described = {
        "kind": KIND,
        "config": json.dumps(asdict(baseline.config)),
        "metadata": json.dumps(dict(metadata)),
    }
    write_safetensors(path, weights, described)


def load_baseline(path: Path, device: str | torch.device = "cpu") -> Baseline:
    """Load a network that `reid train` wrote, in evaluation mode.

    Args:
        path: A .safetensors file.
        device: Device to load it to.
    """
    state, described = read_network(path, KIND, "Re-ID baseline of `reid train`")
    config = parse_config(path, described, BaselineConfig)
    if not all(1 <= side <= _MOST_SIDE for side in config.size):
        raise InputError(f"{path} has a damaged header: photos of {config.size} pixels.")
    baseline = build_network(path, lambda: Baseline(config), state)
    baseline.metadata = parse_metadata(path, described)
    return baseline.eval().requires_grad_(False).to(device)
