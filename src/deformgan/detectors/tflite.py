"""open_tflite: load a TensorFlow Lite network."""

from pathlib import Path
from typing import Any

from deformgan.detectors.outside_model import missing_extra, needed_file, quiet
from deformgan.errors import InputError


def open_tflite(detector: str, path: Path | None) -> Any:
    """Load a network and allocate its tensors.

    Args:
        detector: The detector's name on the command line, for error messages.
        path: Model file.

    Returns:
        An `ai_edge_litert` interpreter.
    """
    file = needed_file(detector, path)
    try:
        with quiet():
            from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise missing_extra(detector, "pose") from None
    with quiet():
        try:
            # One thread: on a busy machine a small network is slower with more.
            network = Interpreter(model_path=str(file), num_threads=1)
            network.allocate_tensors()
        except (ValueError, RuntimeError):
            raise InputError(f"{file} is not a TensorFlow Lite model.") from None
    return network
