"""detection_score: is it a person at all? A detector of people looks at the output."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


@runtime_checkable
class PersonDetector(Protocol):
    """Tells how sure it is that an image shows a person."""

    def __call__(self, image: UInt8[np.ndarray, "height width 3"]) -> float:
        """Gives the highest person score anywhere in the image, most often in [0, 1].

        Args:
            image: RGB.
        """
        ...


def detection_score(
    images: UInt8[Tensor, "batch 3 height width"], detector: PersonDetector
) -> Float[Tensor, "batch"]:
    """Gives the highest person score of every image; the detection score is their mean.

    The detector is a judge: it scores, and never trains, selects or gives gradients. A report calls
    the number `detection_score` with SSD300 alone; with any other detector it is
    `detection_score_` and the stem of the model file's name, or `hog`.

    Args:
        images: Generated images, RGB.
        detector: Sees every image whole.

    Source:
        Siarohin et al., CVPR 2018, section 5.
    """
    pixels = images.permute(0, 2, 3, 1).cpu().numpy()
    return torch.tensor([detector(image) for image in pixels], dtype=torch.float64)
