"""load_judges: networks of other people that score, and never train, select or give gradients."""

from pathlib import Path

from deformgan.evaluation.pictures import Judge

MOVENET = "movenet_single_pose_lightning_ptq.tflite"
OSNET = "osnet_x0_25_msmt17.onnx"
FASTESTDET = "FastestDet.onnx"


def load_judges(folder: Path) -> dict[str, Judge]:
    """Loads the judges, by the name of what they measure.

    MoveNet looks for the asked pose, OSNet for the person, FastestDet for anybody.

    Args:
        folder: Holds the three files under the names above.
    """
    # Here, because machines that train have neither them nor the libraries that run them.
    from deformgan.detectors import load_detector
    from deformgan.detectors.fastestdet import FastestDet
    from deformgan.evaluation.detection_score import detection_score
    from deformgan.evaluation.identity import Extractor, identity
    from deformgan.evaluation.pckh import pckh

    movenet = load_detector(f"movenet:{folder / MOVENET}")
    osnet = Extractor(folder / OSNET)
    fastestdet = FastestDet(folder / FASTESTDET)
    return {
        "pckh": lambda images, _, asked: pckh(images, asked, movenet),
        "identity": lambda images, targets, _: identity(images, targets, osnet),
        f"detection_score_{Path(FASTESTDET).stem}": lambda images, *_: detection_score(
            images, fastestdet
        ),
    }
