"""HOG: OpenCV's detector of people, which needs no weights but its own library."""

import math
from typing import Any

import numpy as np
from jaxtyping import UInt8

from deformgan.detectors.outside_model import missing_extra, quiet

# Its window of 64x128 wants a margin of 16 px round a person of 96 px, a sixth of their height.
MARGIN, SMALLEST_MARGIN = 1 / 6, 16
WINDOW = (128, 64)  # height and width


class Hog:
    """OpenCV's histograms of oriented gradients with its default detector of people.

    A report calls its number `detection_score_hog`; it compares with no published detection score.

    Source:
        Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005. The
        image is continued by its own edge, or people who fill it would have no outline: so all of
        67 video frames of 64x128 score, 2.45 on average. It looks for outlines of upright, whole
        people: noise in the shape of a person scores a little, half-length portraits hardly.
    """

    def __init__(self) -> None:
        with quiet():
            try:
                import cv2

                # OpenCV 5 has it in its contrib build alone.
                self._detector = cv2.HOGDescriptor()
                people: Any = cv2.HOGDescriptor.getDefaultPeopleDetector()
            except (ImportError, AttributeError):
                raise missing_extra("hog", "eval") from None
        self._detector.setSVMDetector(people)

    def __call__(self, image: UInt8[np.ndarray, "height width 3"]) -> float:
        """Gives the highest score of a person anywhere in the image.

        Args:
            image: RGB.

        Returns:
            The distance to the classifier's border, not a probability: 0 where it finds nobody,
            about 2 for a clear one, without a bound above.
        """
        margin = max(SMALLEST_MARGIN, math.ceil(MARGIN * image.shape[0]))
        # OpenCV ends the whole program where an image is smaller than the window.
        sides = [
            max(margin, math.ceil((wanted - length) / 2))
            for length, wanted in zip(image.shape, WINDOW, strict=False)
        ]
        padded = np.pad(image[..., ::-1], (*((side, side) for side in sides), (0, 0)), mode="edge")
        _, weights = self._detector.detectMultiScale(
            np.ascontiguousarray(padded), winStride=(4, 4), padding=(8, 8), scale=1.05
        )
        return max((float(weight) for weight in np.ravel(weights)), default=0.0)
