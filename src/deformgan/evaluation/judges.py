"""load_judges: third-party networks for evaluation only, never for training or model selection."""

from pathlib import Path

from deformgan.evaluation.pictures import Judge

MOVENET = "movenet_single_pose_lightning_ptq.tflite"
OSNET = "osnet_x0_25_msmt17.onnx"
FASTESTDET = "FastestDet.onnx"


def load_judges(folder: Path) -> dict[str, Judge]:
    """Load the judges by metric name.

    MoveNet checks the pose, OSNet the identity, and FastestDet whether a person is visible.

    Args:
        folder: Folder with the three model files under the names above.
    """
    # Imported here, because training machines lack the models and the libraries that run them.
    from deformgan.detectors import load_detector
    from deformgan.detectors.fastestdet import FastestDet
    from deformgan.evaluation.detection_score import detection_score
    from deformgan.evaluation.identity import Extractor, identity
    from deformgan.evaluation.pckh import pckh

    movenet = load_detector(f"movenet:{folder / MOVENET}")
    osnet = Extractor(folder / OSNET)
    fastestdet = FastestDet(folder / FASTESTDET)
    return {
        "pckh_movenet": lambda images, _, asked: pckh(images, asked, movenet),
        "identity_osnet": lambda images, targets, _: identity(images, targets, osnet),
        f"detection_score_{Path(FASTESTDET).stem}": lambda images, *_: detection_score(
            images, fastestdet
        ),
    }
