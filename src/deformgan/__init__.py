"""Deformable GANs: a photo of a person and a pose in, the photo of that person in that pose out.

    import deformgan

    transfer = deformgan.PoseTransfer.from_pretrained("pedestrian")
    transfer("me.jpg", pose="dance.jpg").save("me-dancing.png")

Names are imported when they are first used, so `import deformgan` itself loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from deformgan.api import Metric, People, Report, detect, evaluate, train
    from deformgan.errors import InputError
    from deformgan.inputs import PosedPhoto
    from deformgan.pose import Pose
    from deformgan.predict import PoseTransfer

_MODULES = {
    **dict.fromkeys(("Metric", "People", "Report", "detect", "evaluate", "train"), "deformgan.api"),
    "InputError": "deformgan.errors",
    "Pose": "deformgan.pose",
    "PosedPhoto": "deformgan.inputs",
    "PoseTransfer": "deformgan.predict",
}

__all__ = [
    "InputError",
    "Metric",
    "People",
    "Pose",
    "PoseTransfer",
    "PosedPhoto",
    "Report",
    "__version__",
    "detect",
    "evaluate",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_MODULES))
