"""detection_score: confidence of a person detector on generated images."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


@runtime_checkable
class PersonDetector(Protocol):
    """Detector of people with a confidence score."""

    def __call__(self, image: UInt8[np.ndarray, "height width 3"]) -> float:
        """Return the highest person score anywhere in the image, usually in [0, 1].

        Args:
            image: RGB.
        """
        ...


def detection_score(
    images: UInt8[Tensor, "batch 3 height width"], detector: PersonDetector
) -> Float[Tensor, "batch"]:
    """Return the highest person score of every image; the detection score is their mean.

    The detector is a judge: use it only for evaluation, never for training or model selection.
    Reports name the detector: `detection_score_ssd300` (the paper's), `detection_score_hog`, or
    `detection_score_` plus the stem of the model file.

    Args:
        images: Generated images, RGB.
        detector: Person detector, run on whole images.

    Source:
        Siarohin et al., CVPR 2018, section 5.
    """
    pixels = images.permute(0, 2, 3, 1).cpu().numpy()
    return torch.tensor([detector(image) for image in pixels], dtype=torch.float64)
