"""HOG: OpenCV's people detector, which needs no weights beyond its library."""

import math
from typing import Any

import numpy as np
from jaxtyping import UInt8

from deformgan.detectors.outside_model import missing_extra, quiet

# The 64x128 window expects a 16 px margin around a 96 px person, a sixth of their height.
MARGIN, SMALLEST_MARGIN = 1 / 6, 16
WINDOW = (128, 64)  # height and width


class Hog:
    """OpenCV's histogram of oriented gradients with its default people detector.

    Reports name its value `detection_score_hog`; it is not comparable to published detection
    scores.

    Source:
        Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005. The
        image is padded by replicating its edge, otherwise people who fill it would have no outline;
        with it, all of 67 video frames of 64x128 are detected, with a mean score of 2.45. The
        detector looks for outlines of upright, whole people: noise in the shape of a person scores
        low but not 0, half-length portraits hardly score.
    """

    def __init__(self) -> None:
        with quiet():
            try:
                import cv2

                # OpenCV 5 has it only in its contrib build.
                self._detector = cv2.HOGDescriptor()
                people: Any = cv2.HOGDescriptor.getDefaultPeopleDetector()
            except (ImportError, AttributeError):
                raise missing_extra("hog", "eval") from None
        self._detector.setSVMDetector(people)

    def __call__(self, image: UInt8[np.ndarray, "height width 3"]) -> float:
        """Return the highest score of a person anywhere in the image.

        Args:
            image: RGB.

        Returns:
            Distance to the classifier's decision boundary, not a probability: 0 if nobody is
            detected, about 2 for a clear detection, without an upper bound.
        """
        margin = max(SMALLEST_MARGIN, math.ceil(MARGIN * image.shape[0]))
        # OpenCV aborts the process if an image is smaller than the window.
        sides = [
            max(margin, math.ceil((wanted - length) / 2))
            for length, wanted in zip(image.shape, WINDOW, strict=False)
        ]
        padded = np.pad(image[..., ::-1], (*((side, side) for side in sides), (0, 0)), mode="edge")
        _, weights = self._detector.detectMultiScale(
            np.ascontiguousarray(padded), winStride=(4, 4), padding=(8, 8), scale=1.05
        )
        return max((float(weight) for weight in np.ravel(weights)), default=0.0)
