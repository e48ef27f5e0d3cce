"""Data sets by name, one file each, along with pairs, splits, the image cache and batches."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from deformgan.datasets.cuhk03 import CUHK03
from deformgan.datasets.deepfashion import DeepFashion
from deformgan.datasets.folder import Folder
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.photo_set import Fit, PhotoSet
from deformgan.datasets.splits import Split
from deformgan.datasets.synthetic import Synthetic
from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

# In order of detection: a folder is opened by the first reader that matches it.
DATASETS = {
    "cuhk03": CUHK03,
    "synthetic": Synthetic,
    "market1501": Market1501,
    "deepfashion": DeepFashion,
    "folder": Folder,
}


def open_dataset(
    folder: str | Path,
    name: str | None = None,
    split: Split = "train",
    *,
    annotations: str | Path | None = None,
    size: tuple[int, int] | None = None,
    fit: Fit | None = None,
    cache: str | Path | None = None,
    skeleton: Skeleton = OPENPOSE18,
    nobody: Collection[str] | None = None,
) -> PhotoSet:
    """Open a data set of any kind.

    Args:
        folder: Folder of the data set.
        name: One of `DATASETS`; by default detected from the folder's contents.
        split: Split to read.
        annotations: Annotation table, if it is not in the folder.
        size: (height, width) of the images; by default the data set's own.
        fit: How to resize other photos to that size; by default the data set's own method.
        cache: Folder in which to cache decoded images, see `PhotoSet`; by default they are kept in
            memory.
        skeleton: Skeleton of the poses.
        nobody: See `Market1501`; other data sets ignore it.
    """
    name = name or recognize(Path(folder))
    if name not in DATASETS:
        raise InputError(f"Unknown data set {name!r}; choose one of {', '.join(DATASETS)}.")
    reader = DATASETS[name]
    options: dict[str, Any] = {} if fit is None else {"fit": fit}
    if issubclass(reader, Market1501):
        options["nobody"] = nobody
    return reader(folder, split, annotations, size=size, cache=cache, skeleton=skeleton, **options)


def recognize(folder: Path) -> str:
    """Detect which of `DATASETS` a folder contains."""
    if not folder.is_dir():
        raise InputError(f"The data set folder {folder} does not exist.")
    for name, reader in DATASETS.items():
        if reader.matches(folder):
            return name
    raise InputError(
        f"{folder} contains no known data set: it has neither bounding_box_train nor names like "
        "'0002_c1s1_000451_03.jpg' (market1501, synthetic), nor CUHK03's folders (cuhk03), nor "
        "DeepFashion's names or annotation tables, nor a folder for each person beside "
        "annotation.csv (folder)."
    )
