"""Golden: a folder of numbers that the authors' own code computed."""

import json
import re
from pathlib import Path

import numpy as np

from deformgan.errors import InputError

MANIFEST = "MANIFEST.json"


class Golden:
    """Reads the files of a golden folder, each once.

    Attributes:
        folder: Where they are.
        files: Their paths below it, sorted, without hidden ones.
    """

    def __init__(self, folder: Path):
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; give the folder that holds {MANIFEST}.")
        self.folder = folder
        paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        self.files = sorted(
            path.as_posix()
            for path in paths
            if not any(part.startswith(".") for part in path.parts)
        )
        if not any(file == MANIFEST or file.endswith(".npz") for file in self.files):
            raise InputError(
                f"{folder} is not a golden folder: it holds neither {MANIFEST} nor .npz files."
            )
        self._arrays: dict[str, dict[str, np.ndarray]] = {}

    def arrays(self, file: str) -> dict[str, np.ndarray]:
        """Gives the arrays of a file by name.

        A text file is one array of lines under its own name; a .json file has an array of one text
        per key, and per key of a value that is a dictionary itself.
        """
        if file not in self._arrays:
            path = self.folder / file
            if path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as stored:
                    self._arrays[file] = dict(stored)
            elif path.suffix == ".json":
                self._arrays[file] = _texts(json.loads(path.read_bytes()))
            else:
                lines = path.read_text(encoding="utf-8").splitlines()
                self._arrays[file] = {path.name: np.array(lines)}
        return self._arrays[file]


def _texts(content: dict) -> dict[str, np.ndarray]:
    texts = {}
    for key, value in content.items():
        inner = value if isinstance(value, dict) else None
        entries = {key: value} if inner is None else {f"{key}.{k}": v for k, v in inner.items()}
        texts |= {
            name: np.array(json.dumps(entry, sort_keys=True)) for name, entry in entries.items()
        }
    return texts


def unpack(packed: np.ndarray, width: int) -> np.ndarray:
    """Turns bits packed along the last axis into booleans (..., width)."""
    return np.unpackbits(packed, axis=-1)[..., :width].astype(bool)


def key_of(name: str) -> str:
    """Finds the image size in a name: "net/inputs_128x64.npz" gives "128x64"."""
    return re.findall(r"\d+x\d+", name)[-1]


def size_of(name: str) -> tuple[int, int]:
    """Reads the image size in a name: "64x32_of_128x64" gives height 128 and width 64."""
    height, width = key_of(name).split("x")
    return int(height), int(width)


def variant_of(name: str) -> str:
    """Finds which generator a name is about: "mask" has deformable skips, "none" one stream."""
    return re.findall(r"mask|none", name)[0]
