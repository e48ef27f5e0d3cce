"""PersonEmbedding: the bundled network that embeds the photo of a person as a vector."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from deformgan.backbones.residual import Residual, conv
from deformgan.backbones.weights_file import read_network
from deformgan.backbones.weights_header import build_network, parse_config, parse_metadata
from deformgan.files import bundled
from deformgan.pixels import to_float

BUNDLED = bundled("weights/person_embedding.safetensors")
KIND = "person_embedding"  # in a file's metadata

SIZE = (128, 64)  # height and width of the network's input
BATCH = 64  # images per forward pass, whatever the caller's batch


@dataclass(frozen=True)
class PersonEmbeddingConfig:
    """Configuration of the network.

    Attributes:
        widths: Channels at strides 2, 4, 8 and 16.
        blocks: Residual blocks at strides 4, 8 and 16.
        stripes: Number of horizontal stripes of equal height that are pooled separately.
        features: Length of the vector.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (1, 1, 1)
    stripes: int = 4
    features: int = 256


class PersonEmbedding(nn.Module):
    """Person re-identification network: the closer two vectors, the more likely the same person.

    Source:
        Stripes as in Sun et al., "Beyond Part Models", ECCV 2018, here joined by one linear layer;
        the final normalization is the neck of Luo et al., "Bag of Tricks and a Strong Baseline for
        Deep Person Re-identification", CVPR Workshops 2019, here before both losses.

    Attributes:
        metadata: Provenance of weights loaded from a file.
        sha256: SHA-256 of that file.
    """

    def __init__(self, config: PersonEmbeddingConfig = PersonEmbeddingConfig()):
        super().__init__()
        self.config = config
        self.metadata: dict[str, Any] = {}
        self.sha256 = ""
        layers: list[nn.Module] = [conv(3, config.widths[0], stride=2)]
        for inputs, outputs, count in zip(
            config.widths, config.widths[1:], config.blocks, strict=False
        ):
            layers.append(conv(inputs, outputs, stride=2))
            layers.extend(Residual(outputs) for _ in range(count))
        self.layers = nn.Sequential(*layers)
        self.join = nn.Linear(config.widths[-1] * config.stripes, config.features, bias=False)
        self.neck = nn.BatchNorm1d(config.features)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def describe(
        self, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch features"]:
        """Compute embeddings that are not normalized, with gradient.

        Args:
            pixels: RGB in [-1, 1], of `SIZE` (or half of it, as in early training).
        """
        maps = self.layers(pixels)
        stripes = (self.config.stripes, 1)
        pooled = F.adaptive_avg_pool2d(maps, stripes) + F.adaptive_max_pool2d(maps, stripes)
        return self.neck(self.join(pooled.flatten(1)))

    @torch.inference_mode()
    def forward(
        self, images: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch features"]:
        """Compute a unit-length embedding per image, averaged with that of the mirrored image.

        Args:
            images: RGB, each filled by one person.
        """
        device = self.neck.weight.device
        vectors = []
        for part in images.split(BATCH):
            # Antialiasing has no effect when enlarging, and matches Pillow when shrinking.
            pixels = to_float(part.to(device))
            if pixels.shape[2:] != SIZE:
                pixels = F.interpolate(pixels, SIZE, mode="bilinear", antialias=True)
            both = F.normalize(self.describe(torch.cat([pixels, pixels.flip(-1)])), dim=1)
            vectors.append(F.normalize(both[: len(part)] + both[len(part) :], dim=1))
        return torch.cat(vectors).to(images.device)


@cache
def load_person_embedding(path: Path | None = None) -> PersonEmbedding:
    """Load a frozen network in evaluation mode.

    Args:
        path: A .safetensors file written by `tools/person_embedding.py`; by default the bundled
            one.
    """
    path = BUNDLED if path is None else path
    state, described = read_network(path, KIND, "person embedding")
    config = parse_config(path, described, PersonEmbeddingConfig)
    network = build_network(path, lambda: PersonEmbedding(config), state)
    network.metadata = parse_metadata(path, described)
    with path.open("rb") as file:
        network.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return network.eval().requires_grad_(False)
