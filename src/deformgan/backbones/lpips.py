"""LpipsFeatures: AlexNet or VGG-16 features for LPIPS, with the linear weights of its layers."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from deformgan.backbones.weights_file import find_weights, not_weights, read_state
from deformgan.errors import InputError
from deformgan.pixels import to_float

Backbone = Literal["alex", "vgg"]


@dataclass(frozen=True)
class _Layers:
    """Layers of a backbone that LPIPS uses.

    Attributes:
        torchvision: Name of the network in torchvision.
        after: Positions of the ReLUs whose outputs are used, in torchvision's `features`.
        smallest: Smallest height and width of an image for the last of them.
    """

    torchvision: str
    after: tuple[int, ...]
    smallest: int


BACKBONES: dict[str, _Layers] = {
    "alex": _Layers("alexnet", (1, 4, 7, 9, 11), 31),
    "vgg": _Layers("vgg16", (3, 8, 15, 22, 29), 16),
}

# Normalization of the backbones' training, red first, in units of an image in [-1, 1].
_MEAN, _DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class LpipsFeatures(nn.Module):
    """Feature extractor of `metrics.lpips`: outputs of the five ReLUs chosen by Zhang et al.

    Args:
        backbone: `alex` or `vgg`.
        weights: torchvision's file of that network (`alexnet-owt-7be5be79.pth`,
            `vgg16-397923af.pth`) or other weights of the same network. None uses the copy in
            torch's hub folder; nothing is downloaded.
        heads: Linear weights of the channels, in the layout of the authors' files. By default those
            in the torchmetrics package.

    Source:
        Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
        2018.

    Attributes:
        weights: The backbone's file, with its SHA-256.
        heads: Linear weights of the channels, layer by layer.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, backbone: Backbone = "alex", weights: Path | None = None, heads: Path | None = None
    ):
        super().__init__()
        import torchvision.models

        self.backbone = backbone
        self.layers = BACKBONES[backbone]
        name = self.layers.torchvision
        published: Any = torchvision.models.get_model_weights(name)
        user = f"LPIPS ({backbone})"
        self.weights = find_weights(user, published.IMAGENET1K_V1.url, weights)
        heads = heads or _carried_heads(user, backbone)
        state = read_state(self.weights, f"torchvision's {name}")
        with torch.device("meta"):  # skips the random initialization
            network: Any = torchvision.models.get_model(name, weights=None)
        features = network.features[: self.layers.after[-1] + 1]
        # The classifier, which is most of the file, is not needed and may be missing.
        kept = {
            key.removeprefix("features."): value
            for key, value in state.items()
            if key.removeprefix("features.") in features.state_dict()
        }
        try:
            features.load_state_dict(kept, assign=True)
        except RuntimeError:
            raise not_weights(self.weights, f"torchvision's {name}") from None
        self.features = features.float()
        for part, values in (("mean", _MEAN), ("deviation", _DEVIATION)):
            self.register_buffer(part, torch.tensor(values).view(1, 3, 1, 1))
        for index, head in enumerate(_read_heads(heads, backbone)):
            self.register_buffer(f"head_{index}", head)
        self.requires_grad_(False).eval()

    @property
    def heads(self) -> list[Float[Tensor, "_"]]:
        """Linear weights of the channels, layer by layer."""
        return [self.get_buffer(f"head_{index}") for index in range(len(self.layers.after))]

    @torch.inference_mode()
    def forward(
        self, images: UInt8[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Compute the feature maps, finest first.

        Args:
            images: RGB, on the network's device.
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.layers.smallest:
            raise ValueError(
                f"LPIPS ({self.backbone}) needs images of {self.layers.smallest} pixels or more, "
                f"got {height}x{width}."
            )
        values = (to_float(images) - self.mean) / self.deviation
        found = []
        for index, layer in enumerate(self.features):
            values = layer(values)
            if index in self.layers.after:
                found.append(values.clone())  # the next ReLU may run in place
        return found


def _carried_heads(user: str, backbone: str) -> Path:
    """Locate the linear weights in the torchmetrics package without importing it."""
    package = find_spec("torchmetrics")
    if package is None or package.origin is None:
        raise InputError(
            f'{user} needs the extra "eval" (torchmetrics contains its linear weights): '
            'pip install "deformgan[eval]".'
        )
    return Path(package.origin).parent / "functional" / "image" / "lpips_models" / f"{backbone}.pth"


def _read_heads(path: Path, backbone: str) -> list[Tensor]:
    """Read one weight vector per layer."""
    expected = [64, 192, 384, 256, 256] if backbone == "alex" else [64, 128, 256, 512, 512]
    error = InputError(f"{path} does not hold the linear weights of LPIPS ({backbone}).")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        heads = [state[f"lin{layer}.model.1.weight"].flatten() for layer in range(len(expected))]
    except Exception:  # a missing file or one of another kind can raise anything
        raise error from None
    if [len(head) for head in heads] != expected:
        raise error
    return heads
