"""Pose18: the bundled pose detector, which finds everyone in a photo and their 18 joints."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.backbones.pose18_network import BUNDLED, CROP, STRIDE, load_network
from deformgan.detectors.crop import cut_box
from deformgan.detectors.outside_model import needed_file
from deformgan.detectors.person import Box, Detection, overlap
from deformgan.pixels import to_image
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

# Visibility threshold: this share of crops with such a peak had the joint annotated.
JOINT_SCORE = 0.5

# People are searched in an image pyramid. At one level each person is about as large as in a crop,
# where the joints span 100 rows.
OCTAVE = 1.41
LARGEST_COPY = 600_000  # pixels
LARGEST_SCALE = 1.4  # beyond this, people have too few pixels to be recognized
EDGE = 32  # pixels of replicated border

# Least probability of a cell to be the centre of a torso, and the maximum number of such cells to
# examine.
MIDDLE_SCORE = 0.25
MOST_MIDDLES = 24

# Average row, of 128, of the torso's centre in a crop; its average column is the middle one.
MIDDLE_ROW = 52.0

# Knees or ankles closer than this many pixels of the crop coincide; one of them moves to its second
# peak if that is lower by at most this logit. With 0.3, 0.1 % more joints of held-out people were
# within 8 px; with 0.6, 0.4 % fewer; with 1.0, 1.1 % fewer.
TOGETHER, TWIN_MARGIN = 6.0, 0.3
_LEGS = [OPENPOSE18.indices([f"right_{joint}", f"left_{joint}"]) for joint in ("knee", "ankle")]

_MIRRORED_MAPS = [*OPENPOSE18.mirror_permutation, len(OPENPOSE18.joints)]

# Boxes with at least this intersection over union are duplicates; the highest-scoring one is kept.
SAME_BOX = 0.7


class Pose18:
    """The bundled detector of 18 joints, for people of any size in photos of any size.

    Trained on the training identities of Market-1501 and on rendered people; the model card
    describes training and accuracy.

    Args:
        path: Weights; by default those bundled with the package.
        joint_score: Joints with a lower score are not visible, in [0, 1].
        mirrored: Whether to average the result with that of the mirrored image.
        device: Device for the network.
    """

    def __init__(
        self,
        path: Path | None = None,
        joint_score: float = JOINT_SCORE,
        mirrored: bool = True,
        device: str | torch.device = "cpu",
    ):
        network, metadata = load_network(BUNDLED if path is None else needed_file("pose18", path))
        self._device = torch.device(device)
        # A copy, since other detectors share the loaded network and its device.
        self._network = network if self._device.type == "cpu" else deepcopy(network).to(device)
        slope, offset = metadata["calibration"]
        self._slope, self._offset = torch.tensor([slope, offset], device=device)
        self._joint_score = joint_score
        self._mirrored = mirrored

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], box: Box | None = None
    ) -> Detection:
        """Detect the joints; see `PoseDetector`."""
        (detection,) = self.look([image], box)
        return detection

    @torch.inference_mode()
    def look(
        self, images: Sequence[UInt8[np.ndarray, "height width 3"]], box: Box | None = None
    ) -> list[Detection]:
        """Detect the joints in several images at once, which takes half the time.

        Args:
            images: RGB, at least one.
            box: As in `PoseDetector`, the same for all images.
        """
        crops = [cut_box(image, box, CROP, beyond="edge") for image in images]
        pixels = torch.cat([to_image(crop.pixels) for crop in crops]).to(self._device)
        heat = self._network(pixels)
        if self._mirrored:
            other = self._network(pixels.flip(-1)).flip(-1)
            heat = (heat + other[:, _MIRRORED_MAPS]) / 2
        places, peaks = part_twins(heat[:, :-1], *decode(heat[:, :-1]))
        shares = (places + 0.5) / places.new_tensor([CROP[1], CROP[0]])
        # Without a person there are no joints, whatever resembles one.
        somebody = torch.sigmoid(heat[:, -1].amax(dim=(1, 2)))
        scores = torch.sigmoid(self._slope * peaks + self._offset) * somebody[:, None]
        shares, scores = shares.cpu(), scores.cpu()
        visible = scores >= self._joint_score
        return [
            Detection(Pose(crop.in_photo(shares[row])[None], visible[[row]]), scores[row])
            for row, crop in enumerate(crops)
        ]

    def find_boxes(self, photo: UInt8[np.ndarray, "height width 3"]) -> list[Box]:
        """Propose boxes that may contain people, highest score first.

        In each box a person would have the size for which `__call__` was trained. Some boxes are
        empty, and several may contain the same person.

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
        """Find people of one size: probability, x and y of the centre of every torso."""
        height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
        copy = cut_box(photo, None, (height, width), beyond="edge")
        right, bottom = (EDGE + (-side) % 32 for side in (width, height))
        padded = F.pad(to_image(copy.pixels), (EDGE, right, EDGE, bottom), mode="replicate")
        middle = self._network(padded.to(self._device))[:, -1:].cpu()
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
    """Find the peak of every heat map.

    Args:
        heat: Logits.

    Returns:
        (x, y) in pixels of the image, and the logits at the peaks.

    Source:
        Refined by a parabola through the log-values around the peak, whose vertex is the mean of a
        Gaussian; after Zhang et al., "Distribution-Aware Coordinate Representation", CVPR 2020.
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
    """Separate coinciding knees and ankles if a second peak is nearly as high.

    In side views left and right look alike: both maps show both legs and may peak at the same one.

    Args:
        heat: Logits.
        places: Positions of the peaks in pixels, from `decode`.
        peaks: Logits at the peaks.
    """
    cells = (places + 0.5) / STRIDE - 0.5
    column, row = (
        torch.arange(side, device=heat.device) for side in (heat.shape[3], heat.shape[2])
    )
    beside = (column - cells[..., :1]).abs()[..., None, :] <= 1.5
    near = beside & ((row - cells[..., 1:]).abs()[..., :, None] <= 1.5)
    other_places, other_peaks = decode(heat.masked_fill(near, heat.min()))
    lost = peaks - other_peaks
    places, peaks = places.clone(), peaks.clone()
    for right, left in _LEGS:
        together = (places[:, right] - places[:, left]).norm(dim=1) < TOGETHER
        for joint, twin in ((right, left), (left, right)):
            moved = together & (lost[:, joint] < TWIN_MARGIN)
            # Move the one that loses less; on ties the left one.
            moved &= (lost[:, joint] < lost[:, twin]) | (
                (lost[:, joint] == lost[:, twin]) & (joint == left)
            )
            places[:, joint] = other_places[:, joint].where(moved[:, None], places[:, joint])
            peaks[:, joint] = other_peaks[:, joint].where(moved, peaks[:, joint])
    return places, peaks


def _scales(height: int, width: int) -> list[float]:
    """Return scales at which a person between a seventh of the photo and all of it fills a crop."""
    scales = [min(CROP[0] / height, CROP[1] / width)]
    largest = min(LARGEST_SCALE, (LARGEST_COPY / (height * width)) ** 0.5)
    while scales[-1] * OCTAVE <= largest:
        scales.append(scales[-1] * OCTAVE)
    return scales
