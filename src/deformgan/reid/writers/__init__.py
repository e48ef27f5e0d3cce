"""Writers of augmented data sets, one file per layout."""

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
    """Open a folder for an augmented data set, new or started with the same settings.

    Args:
        name: One of `WRITERS`.
        out: Output folder, created if missing.
        photos: Original training photos.
        data: Folder of the original data set, to copy its test photos from.
        settings: Everything that the generated photos depend on, JSON-serializable. A folder
            started with other settings is rejected.
    """
    if name not in WRITERS:
        raise InputError(f"Unknown writer {name!r}; choose one of {', '.join(WRITERS)}.")
    return WRITERS[name](out, photos, data, {"writer": name} | dict(settings or {}))
