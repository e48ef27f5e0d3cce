"""Pose18: the bundled pose detector, which finds everybody in a photo and their 18 joints."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.backbones.weights_file import read_network
from deformgan.detectors.crop import cut_box
from deformgan.detectors.outside_model import needed_file
from deformgan.detectors.person import Box, Detection, overlap
from deformgan.detectors.pose18_network import (
    STRIDE,
    Pose18Config,
    Pose18Network,
    fold_norms,
)
from deformgan.pixels import to_image
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

BUNDLED = Path(__file__).parents[1] / "weights" / "pose18.safetensors"
KIND = "pose18"  # in a file's metadata

CROP = (128, 96)  # height and width of what the network looks at, a multiple of 32

# A joint is said to be visible where this share of the crops with such a peak had it annotated.
JOINT_SCORE = 0.5

# People are looked for in smaller and smaller copies of a photo. In one of them everybody is about
# as large as in a crop, where the joints' box has 100 rows.
OCTAVE = 1.41
LARGEST_COPY = 600_000  # pixels
LARGEST_SCALE = 1.4  # enlarged further, people have too few pixels to be told from things
EDGE = 32  # pixels by which the border of a copy goes on

# A cell counts as the middle of somebody's torso from this probability on, and so many of the best
# are looked at.
MIDDLE_SCORE = 0.25
MOST_MIDDLES = 24

# In a crop the middle of the torso lies in this row of 128 on average, in the middle column.
MIDDLE_ROW = 52.0

# Knees or ankles nearer to each other than so many pixels of the crop are in one place; one of them
# goes to its second peak if that is lower by no more than this logit. With 0.3 a thousandth more
# joints of held-out people were within 8 px, with 0.6 four thousandths fewer, with 1.0 eleven.
TOGETHER, TWIN_MARGIN = 6.0, 0.3
_LEGS = [OPENPOSE18.indices([f"right_{joint}", f"left_{joint}"]) for joint in ("knee", "ankle")]

_MIRRORED_MAPS = [*OPENPOSE18.mirror_permutation, len(OPENPOSE18.joints)]

# Of boxes with this share of their area in common the surest is enough.
SAME_BOX = 0.7


class Pose18:
    """The bundled detector of 18 joints, for people of any size in photos of any size.

    Trained on the identities of Market-1501 that are to be trained on and on rendered people; the
    model card says how, and how well it does.

    Args:
        path: Its weights; by default those that come with the package.
        joint_score: A joint with a lower score is not visible, in [0, 1].
        mirrored: Whether to look twice, the second time into a mirror, and to take the mean.
    """

    def __init__(
        self, path: Path | None = None, joint_score: float = JOINT_SCORE, mirrored: bool = True
    ):
        self._network, metadata = load_network(
            BUNDLED if path is None else needed_file("pose18", path)
        )
        slope, offset = metadata["calibration"]
        self._slope, self._offset = torch.tensor(slope), torch.tensor(offset)
        self._joint_score = joint_score
        self._mirrored = mirrored

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], box: Box | None = None
    ) -> Detection:
        """Finds the joints; see `PoseDetector`."""
        (detection,) = self.look([image], box)
        return detection

    @torch.inference_mode()
    def look(
        self, images: Sequence[UInt8[np.ndarray, "height width 3"]], box: Box | None = None
    ) -> list[Detection]:
        """Finds the joints in several images at once, which takes half the time.

        Args:
            images: RGB, at least one.
            box: As in `PoseDetector`, the same for all.
        """
        crops = [cut_box(image, box, CROP, beyond="edge") for image in images]
        pixels = torch.cat([to_image(crop.pixels) for crop in crops])
        heat = self._network(pixels)
        if self._mirrored:
            other = self._network(pixels.flip(-1)).flip(-1)
            heat = (heat + other[:, _MIRRORED_MAPS]) / 2
        places, peaks = part_twins(heat[:, :-1], *decode(heat[:, :-1]))
        shares = (places + 0.5) / torch.tensor([CROP[1], CROP[0]])
        # Without somebody there is no joint, whatever looks like one.
        somebody = torch.sigmoid(heat[:, -1].amax(dim=(1, 2)))
        scores = torch.sigmoid(self._slope * peaks + self._offset) * somebody[:, None]
        visible = scores >= self._joint_score
        return [
            Detection(Pose(crop.in_photo(shares[row])[None], visible[[row]]), scores[row])
            for row, crop in enumerate(crops)
        ]

    def find_boxes(self, photo: UInt8[np.ndarray, "height width 3"]) -> list[Box]:
        """Says where people may be, the surest first.

        Every box is one in which `__call__` sees somebody at the size that it was trained for. Some
        hold nobody, several may hold the same person.

        Args:
            photo: RGB.
        """
        found: list[tuple[float, float, float, float]] = []  # score, x, y, scale
        for scale in _scales(*photo.shape[:2]):
            for score, x, y in self._middles(photo, scale):
                found.append((score, x, y, scale))
        found.sort(reverse=True)
        boxes: list[Box] = []
        for _, x, y, scale in found:
            left, top = x - CROP[1] / 2 / scale, y - MIDDLE_ROW / scale
            box = (left, top, left + CROP[1] / scale, top + CROP[0] / scale)
            if all(overlap(box, other) < SAME_BOX for other in boxes):
                boxes.append(box)
        return boxes[:MOST_MIDDLES]

    @torch.inference_mode()
    def _middles(
        self, photo: UInt8[np.ndarray, "height width 3"], scale: float
    ) -> list[tuple[float, float, float]]:
        """Looks for people of one size: probability, x and y of the middle of every torso."""
        height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
        copy = cut_box(photo, None, (height, width), beyond="edge")
        right, bottom = (EDGE + (-side) % 32 for side in (width, height))
        padded = F.pad(to_image(copy.pixels), (EDGE, right, EDGE, bottom), mode="replicate")
        middle = self._network(padded)[:, -1:]
        peak = middle == F.max_pool2d(middle, 5, stride=1, padding=2)
        score = torch.sigmoid(middle) * peak
        rows, columns = (score[0, 0] > MIDDLE_SCORE).nonzero(as_tuple=True)
        places = (torch.stack([columns, rows], dim=1) + 0.5) * STRIDE - EDGE
        in_photo = copy.in_photo(places / torch.tensor([width, height]))
        values = score[0, 0, rows, columns]
        return [
            (value, x, y) for value, (x, y) in zip(values.tolist(), in_photo.tolist(), strict=True)
        ]


def decode(
    heat: Float[Tensor, "batch joints rows columns"],
) -> tuple[Float[Tensor, "batch joints 2"], Float[Tensor, "batch joints"]]:
    """Finds the peak of every map.

    Args:
        heat: Logits.

    Returns:
        (x, y) in pixels of the image, and the logits of the peaks.

    Source:
        A parabola through the logarithms round a peak has its top at the middle of a Gaussian;
        after Zhang et al., "Distribution-Aware Coordinate Representation", CVPR 2020.
    """
    columns = heat.shape[3]
    peak, index = heat.flatten(2).max(dim=2)
    padded = F.pad(heat, (1, 1, 1, 1), mode="replicate").flatten(2)
    y, x = index // columns, index % columns
    at = (y + 1) * (columns + 2) + x + 1

    def value(step: int) -> Tensor:
        return padded.gather(2, (at + step)[..., None])[..., 0]

    def top(step: int) -> Tensor:
        before, here, after = value(-step), value(0), value(step)
        curvature = (2 * here - before - after).clamp(min=1e-3)
        return (0.5 * (after - before) / curvature).clamp(-0.5, 0.5)

    cells = torch.stack([x + top(1), y + top(columns + 2)], dim=2)
    return (cells + 0.5) * STRIDE - 0.5, peak


def part_twins(
    heat: Float[Tensor, "batch joints rows columns"],
    places: Float[Tensor, "batch joints 2"],
    peaks: Float[Tensor, "batch joints"],
) -> tuple[Float[Tensor, "batch joints 2"], Float[Tensor, "batch joints"]]:
    """Parts knees and ankles that were found in one place, where a second place is nearly as good.

    From the side right and left look alike: both maps have both legs, and may peak at the same one.

    Args:
        heat: Logits.
        places: Of the peaks in pixels, as `decode` gives them.
        peaks: Their logits.
    """
    cells = (places + 0.5) / STRIDE - 0.5
    column, row = (
        torch.arange(side, device=heat.device) for side in (heat.shape[3], heat.shape[2])
    )
    beside = (column - cells[..., :1]).abs()[..., None, :] <= 1.5
    near = beside & ((row - cells[..., 1:]).abs()[..., :, None] <= 1.5)
    other_places, other_peaks = decode(heat.masked_fill(near, heat.min().item()))
    lost = peaks - other_peaks
    places, peaks = places.clone(), peaks.clone()
    for right, left in _LEGS:
        together = (places[:, right] - places[:, left]).norm(dim=1) < TOGETHER
        for joint, twin in ((right, left), (left, right)):
            moved = together & (lost[:, joint] < TWIN_MARGIN)
            # The one that loses less moves; of equals the left one.
            moved &= (lost[:, joint] < lost[:, twin]) | (
                (lost[:, joint] == lost[:, twin]) & (joint == left)
            )
            places[moved, joint] = other_places[moved, joint]
            peaks[moved, joint] = other_peaks[moved, joint]
    return places, peaks


@cache
def load_network(path: Path) -> tuple[Pose18Network, dict[str, Any]]:
    """Reads a network, ready to look, and its metadata.

    Args:
        path: A .safetensors file that `training.pose18` wrote.
    """
    state, described = read_network(path, KIND, "pose18 detector")
    config = json.loads(described["config"])
    network = Pose18Network(
        Pose18Config(tuple(config["widths"]), tuple(config["blocks"]), config["neck"])
    )
    network.load_state_dict(state)
    return fold_norms(network.eval()), json.loads(described["metadata"])


def _scales(height: int, width: int) -> list[float]:
    """Gives scales at which somebody who fills the photo, or a seventh of it, fills a crop."""
    scales = [min(CROP[0] / height, CROP[1] / width)]
    largest = min(LARGEST_SCALE, (LARGEST_COPY / (height * width)) ** 0.5)
    while scales[-1] * OCTAVE <= largest:
        scales.append(scales[-1] * OCTAVE)
    return scales
