"""Writers of augmented data sets by name; each file is one layout that others read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deformgan.datasets.photo_set import PhotoSet
from deformgan.errors import InputError
from deformgan.reid.writers.csv_table import CsvWriter
from deformgan.reid.writers.fastreid import FastreidWriter
from deformgan.reid.writers.folders import FoldersWriter
from deformgan.reid.writers.market1501 import Market1501Writer
from deformgan.reid.writers.torchreid import TorchreidWriter
from deformgan.reid.writers.webdataset import WebDatasetWriter
from deformgan.reid.writers.writer import Finished, Writer

__all__ = ["WRITERS", "Finished", "Writer", "open_writer"]

WRITERS: dict[str, type[Writer]] = {
    "market1501": Market1501Writer,
    "torchreid": TorchreidWriter,
    "fastreid": FastreidWriter,
    "folders": FoldersWriter,
    "csv": CsvWriter,
    "webdataset": WebDatasetWriter,
}


def open_writer(
    name: str, out: Path, photos: PhotoSet, data: Path, settings: Mapping[str, Any] | None = None
) -> Writer:
    """Opens a folder for an augmented data set, or one that was begun with the same settings.

    Args:
        name: Which of `WRITERS`.
        out: The folder, made where it is missing.
        photos: The originals that belong into it: the people to train on.
        data: The folder they are from, for the photos to test on that it has.
        settings: All that the generated photos depend on, as JSON has it. A folder that was begun
            with other settings is refused.
    """
    if name not in WRITERS:
        raise InputError(f"Unknown writer {name!r}; choose one of {', '.join(WRITERS)}.")
    return WRITERS[name](out, photos, data, {"writer": name} | dict(settings or {}))
