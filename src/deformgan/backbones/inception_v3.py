"""InceptionV3: features and class probabilities for FID, KID and the inception score."""

import io
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from deformgan.backbones.weights_file import find_weights, not_weights, read_state
from deformgan.errors import InputError

# The published file, distributed by torch-fidelity and pytorch-fid under two names.
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

NETWORK = "torch-fidelity's Inception of 2015"


@dataclass(frozen=True)
class InceptionOutput:
    """Features and logits of a batch of images.

    Attributes:
        features: Output of the last pooling, for FID and KID.
        logits: Logits of the 1008 classes, without the last layer's bias, for the inception score.
    """

    features: Float[Tensor, "batch 2048"]
    logits: Float[Tensor, "batch 1008"]

    @property
    def probabilities(self) -> Float[Tensor, "batch 1008"]:
        """Class probabilities in float64, the input of `inception_score`."""
        return self.logits.double().softmax(dim=1)


class InceptionV3(nn.Module):
    """TensorFlow's Inception of 5 December 2015, as built by torch-fidelity.

    Equal images in equal batches yield bitwise equal results; with another batch size the last
    digits of float32 may differ.

    Source:
        Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016. Images are resized to
        299x299 as in TensorFlow 1. The logits lack the bias by accident in the first code of the
        inception score (Salimans et al., NIPS 2016), kept by the authors and later work.

    Attributes:
        weights: The file, with its SHA-256 and a name that identifies the weights.
    """

    def __init__(self, weights: Path | None = None):
        """Load the weights.

        Args:
            weights: torch-fidelity's file (`weights-inception-2015-12-05-6726825d.pth`, identical
                to pytorch-fid's `pt_inception-2015-12-05-6726825d.pth`), or other weights of the
                same network. None uses the copy in torch's hub folder; nothing is downloaded.
        """
        super().__init__()
        try:
            from torch_fidelity import feature_extractor_inceptionv3 as outside
        except ImportError:
            raise InputError(
                'The Inception network needs the extra "eval": pip install "deformgan[eval]".'
            ) from None
        self.weights = find_weights("Inception", outside.URL_INCEPTION_V3, weights, SHA256)
        # The library unpickles its file without restrictions, so it receives a sanitized copy.
        harmless = io.BytesIO()
        torch.save(read_state(self.weights, NETWORK), harmless)
        harmless.seek(0)
        try:
            self.network = outside.FeatureExtractorInceptionV3(
                "inception-v3-compat",
                ["2048", "logits_unbiased"],
                feature_extractor_weights_path=harmless,
            )
        except RuntimeError:  # from load_state_dict
            raise not_weights(self.weights, NETWORK) from None

    @torch.inference_mode()
    def forward(
        self,
        images: UInt8[Tensor, "batch 3 height width"],
        mask: Bool[Tensor, "batch height width"] | None = None,
    ) -> InceptionOutput:
        """Compute features and logits of images of any size.

        Args:
            images: RGB, on the network's device.
            mask: Region to keep; the rest is set to black. Used for mask-IS, the inception score of
                the person in the target pose (Ma et al., NIPS 2017). By default the whole image.
        """
        if mask is not None:
            images = images * mask[:, None]
        features, logits = self.network(images)
        return InceptionOutput(features, logits)
