"""open_onnx: load an ONNX network."""

from pathlib import Path
from typing import Any

from deformgan.detectors.outside_model import quiet
from deformgan.errors import InputError


def open_onnx(user: str, path: Path, threads: int = 1) -> Any:
    """Load a network on the CPU.

    Args:
        user: Component that needs the network, for error messages: "The detector simcc".
        path: An existing model file.
        threads: Number of threads. On a busy machine a small network is slower with more.

    Returns:
        An `onnxruntime` session.
    """
    with quiet():
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                f'{user} needs the extra "pose": pip install "deformgan[pose]".'
            ) from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # suppress its warnings, including later ones
        options.intra_op_num_threads = threads
        try:
            return onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception:  # the library's errors have no common base class
            raise InputError(f"{path} is not an ONNX model.") from None
