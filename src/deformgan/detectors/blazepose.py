"""BlazePose's landmark network: 33 landmarks of one person (TensorFlow Lite, CPU)."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.detectors.coco17 import detection_from_coco17
from deformgan.detectors.crop import cut_box
from deformgan.detectors.person import Box, Detection
from deformgan.detectors.tflite import open_tflite
from deformgan.errors import InputError
from deformgan.pose_formats.coco_json import COCO17

# Indices of COCO's joints among the 33 landmarks; the others are on mouth, hands and feet.
LANDMARKS = {
    "nose": 0,
    "left_eye": 2,
    "right_eye": 5,
    "left_ear": 7,
    "right_ear": 8,
    "left_shoulder": 11,
    "right_shoulder": 12,
    "left_elbow": 13,
    "right_elbow": 14,
    "left_wrist": 15,
    "right_wrist": 16,
    "left_hip": 23,
    "right_hip": 24,
    "left_knee": 25,
    "right_knee": 26,
    "left_ankle": 27,
    "right_ankle": 28,
}
# 33 landmarks and 6 that locate the person in a video's next frame, as (x, y, z, visibility,
# presence).
OUTPUT = (1, 39 * 5)

# Full model versus the annotation of 101 photos of Market-1501: at 0.3, 79 % of the annotated
# joints are found within 8 px, and 85 % of those found are correct; at 0.5, 76 % and 86 %.
JOINT_SCORE = 0.3

# Enlargement of the box: the best of 1.15, 1.25, 1.35 and 1.45 on the same photos. MediaPipe's 1.25
# applies to a circle around the whole body, which is not this box.
MARGIN = 1.35


class BlazePose:
    """The landmark network of BlazePose (lite, full or heavy), as distributed with MediaPipe.

    MediaPipe first rotates the person upright; here the box is used as it is.

    Args:
        path: Model file, for example pose_landmark_full.tflite; mediapipe 0.10.21 is the last
            release that contains it.
        joint_score: Joints with a lower score are not visible, in [0, 1].

    Source:
        Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020; decoding as in
        MediaPipe's graph, without its heat map refinement.
    """

    def __init__(self, path: Path | None, joint_score: float = JOINT_SCORE):
        self._network = open_tflite("blazepose", path)
        inputs, outputs = self._network.get_input_details(), self._network.get_output_details()
        shapes = {tuple(output["shape"]): output["index"] for output in outputs}
        if (
            len(inputs) != 1
            or inputs[0]["dtype"] != np.float32
            or len(inputs[0]["shape"]) != 4
            or OUTPUT not in shapes
            or (1, 1) not in shapes
        ):
            raise InputError(f"{path} is not a BlazePose landmark model with 33 landmarks.")
        self._input = inputs[0]["index"]
        height, width = inputs[0]["shape"][1:3]
        self._size = (int(height), int(width))
        self._landmarks, self._presence = shapes[OUTPUT], shapes[1, 1]
        self._joint_score = joint_score

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], box: Box | None = None
    ) -> Detection:
        """Detect the joints; see `PoseDetector`."""
        crop = cut_box(image, box, self._size, MARGIN, beyond="edge")
        self._network.set_tensor(self._input, crop.pixels[None].astype(np.float32) / 255)
        self._network.invoke()
        landmarks = torch.from_numpy(self._network.get_tensor(self._landmarks).copy())
        presence = float(self._network.get_tensor(self._presence)[0, 0])
        shares, scores = decode(landmarks, presence, self._size)
        return detection_from_coco17(crop.in_photo(shares), scores, self._joint_score)


def decode(
    landmarks: Float[Tensor, "1 numbers"], presence: float, size: tuple[int, int]
) -> tuple[Float[Tensor, "17 2"], Float[Tensor, "17"]]:
    """Decode COCO's joints from the network's output.

    Args:
        landmarks: First output.
        presence: Second output: probability that there is a person, in [0, 1].
        size: Height and width of the network's input in pixels.

    Returns:
        (x, y) as fractions of the crop, and scores in [0, 1].
    """
    found = landmarks.reshape(-1, 5)[[LANDMARKS[joint] for joint in COCO17]]
    height, width = size
    return found[:, :2] / torch.tensor([width, height]), found[:, 3].sigmoid() * presence
