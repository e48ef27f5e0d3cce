"""Keypoint R-CNN from torchvision: everyone in a photo, each with a box and 17 COCO joints."""

from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import torch
from jaxtyping import UInt8

from deformgan.detectors.coco17 import detection_from_coco17
from deformgan.detectors.crop import Crop, cut_box, whole
from deformgan.detectors.outside_model import needed_file, quiet
from deformgan.detectors.person import Box, Detection
from deformgan.errors import InputError
from deformgan.files import read_safetensors
from deformgan.pose_formats.coco_json import COCO17

# Least score of a box for it to contain a person.
PERSON_SCORE = 0.7

# A joint's score is the unbounded response of its map. Detectron, where the network comes from,
# draws joints with a response of at least 2, so that response is mapped to 0.5.
EVEN_RESPONSE = 2.0
JOINT_SCORE = 0.5


class KeypointRCNN:
    """torchvision's keypointrcnn_resnet50_fpn, on the CPU.

    It takes seconds per photo, because it enlarges every photo to 800 pixels or more.

    Args:
        path: Weights: torchvision's own file or another state dict of the same network, also as
            safetensors. By default torchvision's own in torch's hub folder.
        joint_score: Joints with a lower score are not visible, in [0, 1].
        person_score: Boxes with a lower score are ignored, in [0, 1].
        download: Whether torchvision may download its weights (226 MB) if they are not given and
            not in the hub folder.

    Source:
        He et al., "Mask R-CNN", ICCV 2017. A joint's score is the sigmoid of its map's largest
        response minus `EVEN_RESPONSE`, times the person's score.
    """

    def __init__(
        self,
        path: Path | None,
        joint_score: float = JOINT_SCORE,
        person_score: float = PERSON_SCORE,
        download: bool = False,
    ):
        if path is None:
            path = _find_file(download)
        self._network = _from_file(path).eval()
        self._joint_score, self._person_score = joint_score, person_score

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], box: Box | None = None
    ) -> Detection:
        """Detect the joints of the highest-scoring person in the box; see `PoseDetector`.

        If there is nobody, every score is 0.
        """
        left, top, right, bottom = box or whole(image)
        size = (max(1, round(bottom - top)), max(1, round(right - left)))
        found = self._look(cut_box(image, box, size))
        if not found:
            nobody = torch.zeros(len(COCO17))
            return detection_from_coco17(torch.zeros(len(COCO17), 2), nobody, self._joint_score)
        return max(found, key=lambda one: one[1])[2]

    def find_people(self, photo: UInt8[np.ndarray, "height width 3"]) -> list[Detection]:
        """Detect everyone, largest first.

        Args:
            photo: RGB.
        """
        found = self._look(cut_box(photo, None, photo.shape[:2]))
        return [one[2] for one in sorted(found, key=lambda one: one[0], reverse=True)]

    @torch.no_grad()
    def _look(self, crop: Crop) -> list[tuple[float, float, Detection]]:
        """Detect everyone in a crop: area of the box, score of the person, joints in the photo."""
        picture = torch.from_numpy(crop.pixels).permute(2, 0, 1).float() / 255
        seen = self._network([picture])[0]
        height, width = crop.pixels.shape[:2]
        people = []
        for box, score, keypoints, responses in zip(
            seen["boxes"], seen["scores"], seen["keypoints"], seen["keypoints_scores"], strict=True
        ):
            if score < self._person_score:
                continue
            joints = crop.in_photo(keypoints[:, :2] / torch.tensor([width, height]))
            scores = (responses - EVEN_RESPONSE).sigmoid() * score
            detection = detection_from_coco17(joints, scores, self._joint_score)
            area = (box[2] - box[0]) * (box[3] - box[1])
            people.append((area.item(), score.item(), detection))
        return people


def _find_file(download: bool) -> Path:
    """Find torchvision's weights in torch's hub folder; download them only if this is allowed."""
    from torchvision.models import detection

    weights = detection.KeypointRCNN_ResNet50_FPN_Weights.DEFAULT
    url = urlparse(weights.url)
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(url.path).name
    if path.is_file():
        return path
    if not download:
        raise InputError(
            f"The detector keypoint_rcnn needs torchvision's weights, and {path.parent} has no "
            f"{path.name}: use keypoint_rcnn:PATH with that file, or keypoint_rcnn:download to "
            f"fetch it (226 MB) from {url.hostname}."
        )
    with quiet():
        try:
            weights.get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError):
            raise InputError(
                "torchvision's keypoint R-CNN weights could not be downloaded; use "
                f"keypoint_rcnn:PATH with the file of {weights.url}."
            ) from None
    return path


def _from_file(path: Path) -> torch.nn.Module:
    from torchvision.models import detection

    file = needed_file("keypoint_rcnn", path)
    network = detection.keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    try:
        if file.suffix == ".safetensors":
            state = read_safetensors(file)[0]
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except Exception:  # readers raise many types of errors for other files
        raise InputError(
            f"{file} is not a state dict of torchvision's keypointrcnn_resnet50_fpn."
        ) from None
    # torchvision's weights were trained this way; torchvision sets it only when it downloads them.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 0.0
    return network
