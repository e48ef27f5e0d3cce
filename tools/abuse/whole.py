"""find_damage: files of an output folder that are not whole."""

import json
import tarfile
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open

_KEPT = (".report.lock",)


def find_damage(folder: Path) -> list[str]:
    """Return what is wrong with the files of a folder that have a final name.

    Hidden files and folders, those named unfinished, and what is in them are work in progress.

    Args:
        folder: Output folder; searched with its subfolders.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(map(_in_progress, inside.parts)):
            try:
                _read(path)
            except Exception as error:
                found.append(f"{inside}: {type(error).__name__}: {str(error)[:100]}")
    return found


def find_leftovers(folder: Path) -> list[str]:
    """Return the work in progress of an output folder, but locks that commands keep."""
    every = (path.relative_to(folder) for path in folder.rglob("*") if path.name not in _KEPT)
    return sorted(str(path) for path in every if any(map(_in_progress, path.parts)))


def _in_progress(name: str) -> bool:
    return name.startswith(".") or ".unfinished" in name


def _read(path: Path) -> None:
    match path.suffix:
        case ".json":
            json.loads(path.read_text(encoding="utf-8"))
        case ".jsonl":
            text = path.read_text(encoding="utf-8")
            _check_last_line(text)
            for line in text.splitlines():
                json.loads(line)
        case ".csv" | ".md" | ".toml" | ".tex":
            _check_last_line(path.read_text(encoding="utf-8"))
        case ".png" | ".jpg" | ".gif" | ".webp":
            with Image.open(path) as picture:
                for frame in range(getattr(picture, "n_frames", 1)):
                    picture.seek(frame)
                    picture.load()
        case ".bmp":
            content = path.read_bytes()
            if len(content) != int.from_bytes(content[2:6], "little"):
                raise ValueError("not of the length in its header")
        case ".safetensors":
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    file.get_tensor(name)
        case ".pt":
            torch.load(path, weights_only=True)
        case ".tar":
            with tarfile.open(path) as tar:
                for member in tar:
                    tar.extractfile(member)
        case ".npz":
            import numpy as np

            with np.load(path, allow_pickle=False) as arrays:
                dict(arrays)
        case ".onnx":
            import onnx

            onnx.load(path)
        case ".mp4":
            import av

            with av.open(path) as film:
                assert sum(1 for _ in film.decode(video=0))
        case _ if path.name != "lock" and not path.stat().st_size:
            raise ValueError("empty")


def _check_last_line(text: str) -> None:
    if not text.endswith("\n"):
        raise ValueError("the last line is cut off")
