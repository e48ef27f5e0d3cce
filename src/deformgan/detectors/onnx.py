"""open_onnx: a network in ONNX's format, by its file."""

from pathlib import Path
from typing import Any

from deformgan.detectors.outside_model import quiet
from deformgan.errors import InputError


def open_onnx(user: str, path: Path, threads: int = 1) -> Any:
    """Loads a network for the CPU.

    Args:
        user: Who needs the network, for errors: "The detector simcc".
        path: The model file; it exists.
        threads: How many it may use. On a busy machine a small network is slower with more.

    Returns:
        A session as `onnxruntime` defines it.
    """
    with quiet():
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                f'{user} needs the extra "pose": pip install "deformgan[pose]".'
            ) from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # its warnings are not ours to pass on, even later
        options.intra_op_num_threads = threads
        try:
            return onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception:  # the library's errors have no class in common
            raise InputError(f"{path} is not a model in ONNX's format.") from None
