"""SSD300 from torchvision: a single-shot detector's score that an image shows a person."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from deformgan.backbones.weights_file import find_weights, not_weights, read_state

PERSON = 1  # in COCO's numbering, used by torchvision's weights


class SSD300:
    """torchvision's ssd300_vgg16, restricted to people.

    Args:
        path: torchvision's file (`ssd300_vgg16_coco-b556d3b4.pth`) or another state dict of the
            same network. None for the copy in torch's hub folder; nothing is downloaded.
        device: Device on which to run.

    Source:
        Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016. The detection score of Siarohin
        et al., CVPR 2018, section 5, used the Caffe model of the same network, trained on VOC 2007
        and 2012. torchvision's was trained on COCO, so scores differ from the published ones; the
        score of the real photos with these weights shows by how much. As there, images are
        stretched to 300x300, and detections below 0.01 are dropped.

    Attributes:
        weights: The file, with its SHA-256.
    """

    def __init__(self, path: Path | None = None, device: str = "cpu"):
        from torchvision.models import detection
        from torchvision.models.detection.anchor_utils import DefaultBoxGenerator

        published = detection.SSD300_VGG16_Weights.COCO_V1
        self.weights = find_weights("The detector ssd300", published.url, path)
        state = read_state(self.weights, "torchvision's ssd300_vgg16")
        # Skip the random initialization, which takes most of the time and is overwritten.
        with torch.device("meta"):
            network: Any = detection.ssd300_vgg16(weights=None, weights_backbone=None)
        # The default boxes are not part of the file.
        boxes = network.anchor_generator
        network.anchor_generator = DefaultBoxGenerator(
            boxes.aspect_ratios, scales=boxes.scales, steps=boxes.steps, clip=boxes.clip
        )
        try:
            network.load_state_dict(state, assign=True)
        except RuntimeError:
            raise not_weights(self.weights, "torchvision's ssd300_vgg16") from None
        self._device = torch.device(device)
        self._network = network.eval().to(self._device)

    @torch.inference_mode()
    def __call__(self, image: UInt8[np.ndarray, "height width 3"]) -> float:
        """Return the highest score of the class person, in [0, 1]; 0 if nobody is detected.

        Args:
            image: RGB.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self._device)
        found = self._network([pixels.permute(2, 0, 1).float() / 255])[0]
        people = found["scores"][found["labels"] == PERSON]
        return people.max().item() if len(people) else 0.0
