"""Data sets by name; each file is one, beside the pair rule, the splits, the cache, the batches."""

from pathlib import Path

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

# In the order in which a folder is asked what it is: the first one that it looks like counts.
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
) -> PhotoSet:
    """Reads a data set of any kind.

    Args:
        folder: Where it is.
        name: Which of `DATASETS` it is; by default what it looks like.
        split: Which part of it to read.
        annotations: The annotation table, where it is not in the folder.
        size: (height, width) of the images; by default the data set's own.
        fit: How photos of other sizes come to it; by default the data set's own way.
        cache: A folder for the decoded images, see `PhotoSet`; by default they stay in memory.
        skeleton: Of the poses.
    """
    name = name or recognize(Path(folder))
    if name not in DATASETS:
        raise InputError(f"Unknown data set {name!r}; choose one of {', '.join(DATASETS)}.")
    reader = DATASETS[name]
    if fit is None:
        return reader(folder, split, annotations, size=size, cache=cache, skeleton=skeleton)
    return reader(folder, split, annotations, size=size, fit=fit, cache=cache, skeleton=skeleton)


def recognize(folder: Path) -> str:
    """Tells by what is in a folder which of `DATASETS` it is."""
    if not folder.is_dir():
        raise InputError(f"The data set folder {folder} does not exist.")
    for name, reader in DATASETS.items():
        if reader.matches(folder):
            return name
    raise InputError(
        f"{folder} is no data set that is known: it has neither bounding_box_train nor names like "
        "'0002_c1s1_000451_03.jpg' (market1501, synthetic), nor CUHK03's folders (cuhk03), nor "
        "DeepFashion's names or annotation tables, nor a folder for each person beside "
        "annotation.csv (folder)."
    )
