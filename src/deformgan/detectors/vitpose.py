"""ViTPose from Hugging Face's transformers: 17 COCO joints from a vision transformer."""

import re
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from deformgan.detectors.coco17 import detection_from_coco17
from deformgan.detectors.crop import whole
from deformgan.detectors.outside_model import missing_extra, quiet
from deformgan.detectors.person import Box, Detection
from deformgan.errors import InputError
from deformgan.pose_formats.coco_json import COCO17

JOINT_SCORE = 0.3

# Index of the COCO head; ViTPose+ has one head per data set.
COCO_HEAD = 0


class ViTPose:
    """A ViTPose model, on the CPU.

    Args:
        path: A folder as saved by transformers (config.json, preprocessor_config.json,
            model.safetensors), or the name of a model on the Hugging Face hub that transformers
            already has on this machine, for example usyd-community/vitpose-base-simple.
        joint_score: Joints with a lower score are not visible, in [0, 1].
        download: Whether transformers may download a model that is given by its name.

    Source:
        Xu et al., "ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation", NeurIPS
        2022; cropping and decoding by transformers.
    """

    def __init__(self, path: Path | None, joint_score: float = JOINT_SCORE, download: bool = False):
        if path is None:
            raise InputError(
                "The detector vitpose needs its model: vitpose:FOLDER, or vitpose:OWNER/NAME of "
                "the Hugging Face hub, which vitpose:download:OWNER/NAME downloads first."
            )
        name = path.as_posix()
        if not path.is_dir() and not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
            raise InputError(f"The detector's model folder {path} does not exist.")
        with quiet():
            try:
                import scipy  # noqa: F401  # required by the image processor, which does not check
                import transformers
            except ImportError:
                raise missing_extra("vitpose", "vitpose") from None
            try:
                config = transformers.AutoConfig.from_pretrained(
                    name, local_files_only=not download
                )
            except Exception:  # the library's errors have no common base class
                if path.is_dir():
                    raise InputError(f"{path} has no transformers model.") from None
                if not download:
                    raise InputError(
                        f"{path} is neither a folder nor a model that transformers has on this "
                        f"machine; vitpose:download:{name} fetches it from the Hugging Face hub "
                        "(up to gigabytes, depending on the model)."
                    ) from None
                raise InputError(
                    f"The model {name} could not be downloaded from the Hugging Face hub."
                ) from None
            # Checked first, because transformers initializes missing weights randomly.
            if config.model_type != "vitpose" or config.num_labels != len(COCO17):
                raise InputError(f"{path} is not a ViTPose model of COCO's 17 joints.")
            try:
                self._processor = transformers.VitPoseImageProcessor.from_pretrained(
                    name, local_files_only=not download
                )
                self._network, loaded = transformers.VitPoseForPoseEstimation.from_pretrained(
                    name,
                    use_safetensors=True,
                    output_loading_info=True,
                    local_files_only=not download,
                )
            except Exception:
                raise InputError(
                    f"{path} lacks model.safetensors or preprocessor_config.json of a ViTPose "
                    "model, or they cannot be read."
                ) from None
        if loaded["missing_keys"]:
            raise InputError(f"{path} lacks weights of a ViTPose model.")
        self._network.eval()
        experts = getattr(config.backbone_config, "num_experts", 1) > 1
        self._head = {"dataset_index": torch.tensor([COCO_HEAD])} if experts else {}
        self._joint_score = joint_score

    @torch.no_grad()
    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], box: Box | None = None
    ) -> Detection:
        """Detect the joints; see `PoseDetector`."""
        left, top, right, bottom = box or whole(image)
        # At least one pixel, for a box around a single joint.
        boxes = [[[left, top, max(right - left, 1.0), max(bottom - top, 1.0)]]]
        inputs = self._processor(Image.fromarray(image), boxes=boxes, return_tensors="pt")
        maps = self._network(**inputs, **self._head)
        found = self._processor.post_process_pose_estimation(maps, boxes=boxes)[0][0]
        scores = found["scores"].clamp(0, 1)
        return detection_from_coco17(found["keypoints"].float(), scores, self._joint_score)
