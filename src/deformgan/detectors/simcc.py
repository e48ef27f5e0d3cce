"""RTMPose and other SimCC networks (ONNX): each joint is classified as a column and a row."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from deformgan.detectors.coco17 import detection_from_coco17
from deformgan.detectors.crop import cut_box
from deformgan.detectors.onnx import open_onnx
from deformgan.detectors.outside_model import needed_file
from deformgan.detectors.person import Box, Detection
from deformgan.errors import InputError
from deformgan.pose_formats.coco_json import COCO17

# COCO's joints, and Halpe's 26, which start with them.
JOINT_COUNTS = (17, 26)

# RTMPose's preprocessing: enlargement of the box, and mean and standard deviation of ImageNet's
# colours.
MARGIN = 1.25
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)

JOINT_SCORE = 0.3  # threshold of RTMPose's own demos


class SimCC:
    """A SimCC pose network from an ONNX file, on the CPU.

    Args:
        path: Model file with fixed input size and two outputs: for every joint a score per column
            and a score per row, both at several times the pixel resolution.
        joint_score: Joints with a lower score are not visible, in [0, 1].

    Source:
        Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose
        Estimation", ECCV 2022; Jiang et al., "RTMPose: Real-Time Multi-Person Pose Estimation based
        on MMPose", 2023. Unlike theirs, downscaling of crops is antialiased.
    """

    def __init__(self, path: Path | None, joint_score: float = JOINT_SCORE):
        file = needed_file("simcc", path)
        self._network = open_onnx("The detector simcc", file)
        inputs, outputs = self._network.get_inputs(), self._network.get_outputs()
        shape = inputs[0].shape
        if (
            len(inputs) != 1
            or inputs[0].type != "tensor(float)"
            or len(shape) != 4
            or (isinstance(shape[0], int) and shape[0] != 1)
            or shape[1] != 3
            or not all(isinstance(length, int) for length in shape[2:])
            or len(outputs) != 2
        ):
            raise _not_simcc(file)
        self._input = inputs[0].name
        self._size = (shape[2], shape[3])
        names = [output.name for output in outputs]
        self._outputs = sorted(names) if set(names) == {"simcc_x", "simcc_y"} else names
        # Run once to find the output shapes, which the file may not specify.
        columns, rows = self._run(np.zeros((*self._size, 3), np.uint8))
        if (
            columns.ndim != 3
            or rows.ndim != 3
            or columns.shape[1] != rows.shape[1]
            or columns.shape[2] * self._size[0] != rows.shape[2] * self._size[1]
        ):
            raise _not_simcc(file)
        if columns.shape[1] not in JOINT_COUNTS:
            raise InputError(
                f"{file} has {columns.shape[1]} joints; the detector simcc needs a model with "
                "COCO's 17 joints or Halpe's 26."
            )
        self._joint_score = joint_score

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], box: Box | None = None
    ) -> Detection:
        """Detect the joints; see `PoseDetector`."""
        crop = cut_box(image, box, self._size, MARGIN)
        columns, rows = self._run(crop.pixels)
        shares, scores = decode(columns[0, : len(COCO17)], rows[0, : len(COCO17)], self._size)
        return detection_from_coco17(crop.in_photo(shares), scores, self._joint_score)

    def _run(self, pixels: UInt8[np.ndarray, "height width 3"]) -> list[np.ndarray]:
        planes = ((pixels - MEAN) / STD).transpose(2, 0, 1)[None]
        return self._network.run(self._outputs, {self._input: planes})


def decode(
    columns: Float[np.ndarray, "joints columns"],
    rows: Float[np.ndarray, "joints rows"],
    size: tuple[int, int],
) -> tuple[Float[torch.Tensor, "joints 2"], Float[torch.Tensor, "joints"]]:
    """Decode joints from their scores per column and per row.

    Args:
        columns: A score for every column; they are evenly spaced, the first at the centre of the
            leftmost pixels.
        rows: Likewise, from the top.
        size: Height and width of the network's input in pixels.

    Returns:
        (x, y) as fractions of the crop, and scores in [0, 1]: the lower of the best column's and
        the best row's, as in MMPose.
    """
    height, width = size
    x = columns.argmax(axis=1) * (width / columns.shape[1])
    y = rows.argmax(axis=1) * (height / rows.shape[1])
    shares = np.stack([(x + 0.5) / width, (y + 0.5) / height], axis=1)
    scores = np.minimum(columns.max(axis=1), rows.max(axis=1)).clip(0, 1)
    return torch.from_numpy(shares).float(), torch.from_numpy(scores)


def _not_simcc(file: Path) -> InputError:
    return InputError(
        f"{file} is not a SimCC model, which has one image input of fixed size and outputs scores "
        "per column and per row."
    )
