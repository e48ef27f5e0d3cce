"""InceptionV3: the classifier whose features and classes FID, KID and IS are made of."""

import io
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from deformgan.backbones.weights_file import find_weights, not_weights, read_state
from deformgan.errors import InputError

# The published file, which torch-fidelity and pytorch-fid share under two names.
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

NETWORK = "torch-fidelity's Inception of 2015"


@dataclass(frozen=True)
class InceptionOutput:
    """What the network makes of some images.

    Attributes:
        features: Of the last pooling, for FID and KID.
        logits: Of the 1008 classes, without the last layer's bias, for the inception score.
    """

    features: Float[Tensor, "batch 2048"]
    logits: Float[Tensor, "batch 1008"]

    @property
    def probabilities(self) -> Float[Tensor, "batch 1008"]:
        """Of the classes, in float64: what `inception_score` takes."""
        return self.logits.double().softmax(dim=1)


class InceptionV3(nn.Module):
    """TensorFlow's Inception of 5 December 2015, as torch-fidelity builds it.

    The same images in the same batches give the same bits; in batches of another size, the last
    digits of float32 may differ.

    Source:
        Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016. Images are enlarged to
        299x299 as TensorFlow 1 does. That the logits go without bias is the accident of the first
        code of the inception score (Salimans et al., NIPS 2016), kept by the authors and the field.

    Attributes:
        weights: The file, with its SHA-256, and a name that says which weights these are.
    """

    def __init__(self, weights: Path | None = None):
        """Loads the weights.

        Args:
            weights: torch-fidelity's file (`weights-inception-2015-12-05-6726825d.pth`, which is
                also pytorch-fid's `pt_inception-2015-12-05-6726825d.pth`), or other weights of the
                same network. None for the copy in torch's hub folder; nothing is downloaded.
        """
        super().__init__()
        try:
            from torch_fidelity import feature_extractor_inceptionv3 as outside
        except ImportError:
            raise InputError(
                'The Inception network needs the extra "eval": pip install "deformgan[eval]".'
            ) from None
        self.weights = find_weights("Inception", outside.URL_INCEPTION_V3, weights, SHA256)
        # The library unpickles what it is given without limits, so it gets a copy that is harmless.
        harmless = io.BytesIO()
        torch.save(read_state(self.weights, NETWORK), harmless)
        harmless.seek(0)
        try:
            self.network = outside.FeatureExtractorInceptionV3(
                "inception-v3-compat",
                ["2048", "logits_unbiased"],
                feature_extractor_weights_path=harmless,
            )
        except RuntimeError:  # of load_state_dict
            raise not_weights(self.weights, NETWORK) from None

    @torch.inference_mode()
    def forward(
        self,
        images: UInt8[Tensor, "batch 3 height width"],
        mask: Bool[Tensor, "batch height width"] | None = None,
    ) -> InceptionOutput:
        """Looks at images of any size.

        Args:
            images: RGB, on the network's device.
            mask: What lies outside is black, for mask-IS: the inception score of the person in the
                target pose alone (Ma et al., NIPS 2017). By default the whole image counts.
        """
        if mask is not None:
            images = images * mask[:, None]
        features, logits = self.network(images)
        return InceptionOutput(features, logits)
