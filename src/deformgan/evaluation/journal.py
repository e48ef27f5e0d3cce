"""Journal: intermediate results on disk, from which an interrupted evaluation resumes."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deformgan.errors import InputError
from deformgan.files import is_unfinished, read_back, write_text, written_beside

_SETTINGS = "settings.json"


class Journal:
    """A folder with one file per batch, each written atomically.

    Args:
        folder: Folder of the files, created if missing. Files of an evaluation with other settings
            are deleted.
        settings: All settings that determine the results, as JSON data.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]):
        self.folder = folder
        written = json.dumps(settings, indent=1, sort_keys=True)
        head = folder / _SETTINGS
        if folder.exists() and not _is_ours(folder):
            raise InputError(f"{folder} is in the way: it is not an evaluation's journal, move it.")
        if not head.is_file() or head.read_bytes() != written.encode():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            # Written atomically like the batches: truncated settings would look like other ones.
            write_text(head, written)

    def __contains__(self, batch: int) -> bool:
        return self._file(batch).is_file()

    def __getitem__(self, batch: int) -> dict[str, np.ndarray]:
        """Load the arrays of one batch."""
        path = self._file(batch)
        with read_back(path), np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)

    def __setitem__(self, batch: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the arrays of one batch atomically."""
        with written_beside(self._file(batch)) as unfinished:
            np.savez(unfinished, allow_pickle=False, **arrays)

    def column(self, name: str, batches: int) -> Iterator[np.ndarray]:
        """Yield one array of every batch, in order; skip batches that lack it."""
        for batch in filter(self.__contains__, range(batches)):
            path = self._file(batch)
            # Only this array is read: a batch may hold large ones.
            with read_back(path), np.load(path, allow_pickle=False) as arrays:
                found = arrays.get(name)
            if found is not None:
                yield found

    def remove(self) -> None:
        """Delete the folder, once the results are saved elsewhere."""
        shutil.rmtree(self.folder)

    def _file(self, batch: int) -> Path:
        return self.folder / f"{batch:06d}.npz"


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and all(
        path.name == _SETTINGS or path.suffix == ".npz" or is_unfinished(path)
        for path in folder.iterdir()
    )
