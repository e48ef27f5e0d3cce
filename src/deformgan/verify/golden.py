"""Golden: a folder of reference arrays computed by the authors' own code."""

import json
import re
from pathlib import Path

import numpy as np

from deformgan.errors import InputError
from deformgan.files import read_back

MANIFEST = "MANIFEST.json"

# A small golden folder; written by benchmarks/bundle_golden.py.
BUNDLED = Path(__file__).parents[1] / "golden"


class Golden:
    """A golden folder, whose files are read on first use and cached.

    Attributes:
        folder: The folder.
        files: Paths of its files relative to it, sorted, without hidden ones.
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
        """Return the arrays of a file by name.

        A text file is one array of lines under its own name. A .json file has one array of a single
        JSON text per key; nested dictionaries are flattened by one level.
        """
        if file not in self._arrays:
            with read_back(self.folder / file, "copy it again"):
                self._arrays[file] = _read(self.folder / file)
        return self._arrays[file]


def _read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    if path.suffix == ".json":
        return _texts(json.loads(path.read_bytes()))
    return {path.name: np.array(path.read_text(encoding="utf-8").splitlines())}


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
    """Unpack bits along the last axis into booleans (..., width)."""
    return np.unpackbits(packed, axis=-1)[..., :width].astype(bool)


def key_of(name: str) -> str:
    """Extract the image size from a name: "128x64" from "net/inputs_128x64.npz"."""
    return re.findall(r"\d+x\d+", name)[-1]


def size_of(name: str) -> tuple[int, int]:
    """Parse the image size in a name: (128, 64) for "64x32_of_128x64"."""
    height, width = key_of(name).split("x")
    return int(height), int(width)


def variant_of(name: str) -> str:
    """Extract the generator's variant from a name: "mask" (deformable skips) or "none"."""
    return re.findall(r"mask|none", name)[0]
