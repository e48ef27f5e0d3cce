"""Journal: what an evaluation has found so far, so that one that was broken off goes on there."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deformgan.errors import InputError

_SETTINGS = "settings.json"


class Journal:
    """A folder with a file per batch; what is in it was written whole.

    Args:
        folder: Where the files are; made where it is missing. What an evaluation with other
            settings left there is removed.
        settings: All that the findings depend on, as JSON has it.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]):
        self.folder = folder
        written = json.dumps(settings, indent=1, sort_keys=True)
        head = folder / _SETTINGS
        if folder.exists() and not _is_ours(folder):
            raise InputError(f"{folder} is in the way: it is not of an evaluation, move it.")
        if not head.is_file() or head.read_text() != written:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            # Renamed like the batches: settings that were cut off would pass for other ones.
            beside = head.with_suffix(".part")
            beside.write_text(written)
            beside.replace(head)

    def __contains__(self, batch: int) -> bool:
        return self._file(batch).is_file()

    def __getitem__(self, batch: int) -> dict[str, np.ndarray]:
        """Reads the arrays of one batch."""
        with np.load(self._file(batch), allow_pickle=False) as arrays:
            return dict(arrays)

    def __setitem__(self, batch: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes the arrays of one batch, all of them or nothing."""
        beside = self.folder / "unfinished.npz"
        np.savez(beside, allow_pickle=False, **arrays)
        beside.replace(self._file(batch))

    def column(self, name: str, batches: int) -> Iterator[np.ndarray]:
        """Reads one array of every batch, in order; batches that lack it are left out."""
        for batch in filter(self.__contains__, range(batches)):
            with np.load(self._file(batch), allow_pickle=False) as arrays:
                if name in arrays:
                    yield arrays[name]

    def remove(self) -> None:
        """Removes the folder, once the results are safe elsewhere."""
        shutil.rmtree(self.folder)

    def _file(self, batch: int) -> Path:
        return self.folder / f"{batch:06d}.npz"


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and all(
        path.name == _SETTINGS or path.suffix in (".npz", ".part") for path in folder.iterdir()
    )
