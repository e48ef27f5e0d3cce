"""MoveNet, single pose: 17 COCO joints from a small int8 network (TensorFlow Lite, CPU)."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from deformgan.detectors.coco17 import detection_from_coco17
from deformgan.detectors.crop import cut_box
from deformgan.detectors.person import Box, Detection
from deformgan.detectors.tflite import open_tflite
from deformgan.errors import InputError
from deformgan.pose_formats.coco_json import COCO17

# Compared with the Market-1501 annotation: at 0.2, 92 % of the annotated joints are found within
# 8 px, and 93 % of those found are correct; at 0.3, 89 % and 94 %.
JOINT_SCORE = 0.2


class MoveNet:
    """The MoveNet pose detector, from a TensorFlow Lite file.

    Args:
        path: Model file.
        joint_score: Joints with a lower score are not visible, in [0, 1].
    """

    def __init__(self, path: Path | None, joint_score: float = JOINT_SCORE):
        self._network = open_tflite("movenet", path)
        inputs, outputs = self._network.get_input_details(), self._network.get_output_details()
        if (
            len(inputs) != 1
            or inputs[0]["dtype"] != np.uint8
            or list(outputs[0]["shape"]) != [1, 1, len(COCO17), 3]
        ):
            raise InputError(f"{path} is not a MoveNet single-pose model with 8-bit input.")
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        height, width = inputs[0]["shape"][1:3]
        self._size = (int(height), int(width))
        self._joint_score = joint_score

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], box: Box | None = None
    ) -> Detection:
        """Detect the joints; see `PoseDetector`."""
        crop = cut_box(image, box, self._size)
        self._network.set_tensor(self._input, crop.pixels[None])
        self._network.invoke()
        found = torch.from_numpy(self._network.get_tensor(self._output)[0, 0].copy())  # y, x, score
        joints = crop.in_photo(found[:, [1, 0]])
        return detection_from_coco17(joints, found[:, 2], self._joint_score)
