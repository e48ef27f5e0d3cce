"""MoveNet, single pose: 17 COCO joints from a small int8 network (TensorFlow Lite, CPU)."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from deformgan.detectors.person import Box, Detection
from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats.coco_json import COCO17
from deformgan.skeletons.openpose18 import OPENPOSE18

# Against the Market-1501 annotation: at 0.2, 92 % of the annotated joints are found within 8 px,
# and 93 % of those found are right; at 0.3, 89 % and 94 %.
JOINT_SCORE = 0.2


class MoveNet:
    """The pose detector MoveNet, as a file in TensorFlow Lite's format.

    Args:
        path: The model file.
        joint_score: A joint with a lower score is not visible, in [0, 1].
    """

    def __init__(self, path: Path, joint_score: float = JOINT_SCORE):
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise InputError(
                'The detector movenet needs the extra "pose": pip install "deformgan[pose]".'
            ) from None
        with _quiet():
            try:
                # One thread: on a busy machine the network is slower with more.
                self._network = Interpreter(model_path=str(path), num_threads=1)
                self._network.allocate_tensors()
            except (ValueError, RuntimeError):
                raise InputError(f"{path} is not a model in TensorFlow Lite's format.") from None
        inputs, outputs = self._network.get_input_details(), self._network.get_output_details()
        if (
            len(inputs) != 1
            or inputs[0]["dtype"] != np.uint8
            or list(outputs[0]["shape"]) != [1, 1, len(COCO17), 3]
        ):
            raise InputError(f"{path} is not a MoveNet single-pose model with 8-bit input.")
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        self._side = int(inputs[0]["shape"][1])
        self._joint_score = joint_score

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], box: Box | None = None
    ) -> Detection:
        """Finds the joints; see `PoseDetector`."""
        height, width = image.shape[:2]
        left, top, right, bottom = box or (-0.5, -0.5, width - 0.5, height - 0.5)
        # At least a pixel, for a box around a single joint.
        side = max(right - left, bottom - top, 1.0)
        left, top = (left + right - side) / 2, (top + bottom - side) / 2
        self._network.set_tensor(self._input, _square(image, left, top, side, self._side)[None])
        self._network.invoke()
        found = torch.from_numpy(self._network.get_tensor(self._output)[0, 0].copy())  # y, x, score
        joints = found[:, [1, 0]] * side + torch.tensor([left, top])
        return _openpose18(joints, found[:, 2], self._joint_score)


def _square(
    image: UInt8[np.ndarray, "height width 3"], left: float, top: float, side: float, size: int
) -> UInt8[np.ndarray, "size size 3"]:
    """Cuts a square out of an image, black beyond its edges, and scales it.

    Args:
        image: RGB.
        left: Left edge of the square, in pixels of the image.
        top: Top edge of the square, in pixels of the image.
        side: The square's side, in pixels of the image.
        size: Side of the result in pixels.
    """
    # Whole pixels first, so that a small square of a large photo costs little.
    first_x, first_y = int(np.floor(left + 0.5)), int(np.floor(top + 0.5))
    last_x, last_y = (int(np.ceil(edge + 0.5)) for edge in (left + side, top + side))
    cut = Image.fromarray(image).crop((first_x, first_y, last_x, last_y))
    x, y = left + 0.5 - first_x, top + 0.5 - first_y
    scaled = cut.resize((size, size), Image.Resampling.BILINEAR, box=(x, y, x + side, y + side))
    return np.array(scaled)


def _openpose18(
    joints: Float[torch.Tensor, "17 2"], scores: Float[torch.Tensor, "17"], joint_score: float
) -> Detection:
    """Reorders COCO's joints and adds the neck: the mean of both shoulders, sure as the worse."""
    shoulders = [COCO17.index("right_shoulder"), COCO17.index("left_shoulder")]
    joints = torch.cat([joints, joints[shoulders].mean(dim=0, keepdim=True)])
    scores = torch.cat([scores, scores[shoulders].amin(dim=0, keepdim=True)])
    order = [(*COCO17, "neck").index(joint) for joint in OPENPOSE18.joints]
    joints, scores = joints[order], scores[order]
    return Detection(Pose(joints[None], (scores >= joint_score)[None]), scores)


@contextmanager
def _quiet() -> Generator[None]:
    """Drops what the library's C++ side prints on stderr when a network is loaded.

    It announces its CPU back end there, whatever the log level, and our commands promise that an
    error is one line.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
