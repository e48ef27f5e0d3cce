"""Market-1501: pedestrians seen by six cameras, and every data set that keeps its layout."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from PIL import Image
from torch import Tensor

from deformgan.datasets.pairs import ordered_pairs
from deformgan.errors import InputError
from deformgan.pose_formats.annotation_csv import read_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

Split = Literal["train", "test", "all"]

SPLIT_FILE = "identity-split.json"
NOBODY = ("-1", "0000")  # junk boxes and distractors
_NAME = re.compile(r"(-1|\d+)_c(\d+)s(\d+)_(\d+)_(\d+).*\.(?:jpe?g|png)", re.IGNORECASE)


@dataclass(frozen=True)
class MarketName:
    """What a file name says.

    Attributes:
        identity: Who it is, as written: "0002"; "-1" is a junk box, "0000" a distractor.
        camera: From 1.
        sequence: Recording of that camera, from 1.
        frame: Frame of that recording.
        box: Box of that frame.
    """

    identity: str
    camera: int
    sequence: int
    frame: int
    box: int

    @staticmethod
    def parse(name: str) -> "MarketName":
        """Reads a name like `0002_c1s1_000451_03.jpg`."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(
                f"{name!r} is not a Market-1501 file name like '0002_c1s1_000451_03.jpg'."
            )
        identity, *numbers = match.groups()
        return MarketName(identity, *(int(number) for number in numbers))


class Market1501:
    """People with their poses; images are decoded once, at first use, and held in memory.

    The images lie in `bounding_box_train` and `bounding_box_test`, or directly in the folder. Only
    images that the annotation table names are read, in its order; junk and distractors never are.

    Where the folder has `identity-split.json` (`{"train": [...], "test": [...]}`), it parts the
    people of `bounding_box_train`, and `split="train"` never yields a test identity. Where it has
    not, the two folders are the split.

    Attributes:
        names: File names.
        identities: Who is in each image, as written in the name.
        cameras: Which camera took it, from 1.
        paths: Where the images are.
        poses: Poses of `openpose18` in pixels of `images`.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        annotations: str | Path | None = None,
    ):
        """Reads the images of one split.

        Args:
            root: The data set's folder.
            split: "all" reads the whole training folder, the test identities of
                `identity-split.json` included.
            annotations: The annotation table; by default `market-annotation-train.csv` (or
                `-test`) or `annotation.csv` in `root`.
        """
        root = Path(root)
        if not root.is_dir():
            raise InputError(f"The data set folder {root} does not exist.")
        folder, wanted = _split(root, split)
        table = _annotations(root, folder, annotations)
        present = {path.name for path in folder.iterdir()}
        fields = {name: MarketName.parse(name) for name in table.names if name in present}
        fields = {
            name: field
            for name, field in fields.items()
            if field.identity not in NOBODY and (wanted is None or field.identity in wanted)
        }
        if not fields:
            raise InputError(
                f"No image in {folder} is named by {table.source} and belongs to the split "
                f"{split!r}."
            )
        self.names = list(fields)
        self.identities = [field.identity for field in fields.values()]
        self.cameras = torch.tensor([field.camera for field in fields.values()])
        self.paths = [folder / name for name in fields]
        self.poses = table.select(self.names).pose

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def images(self) -> UInt8[Tensor, "images 3 height width"]:
        """All images, RGB."""
        return _read_images(self.paths)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every image."""
        return self.images.shape[2], self.images.shape[3]

    @cached_property
    def usable(self) -> Bool[Tensor, "images"]:
        """Whether both hips and both shoulders were found."""
        return self.poses.usable(OPENPOSE18)

    @cached_property
    def pairs(self) -> Int64[Tensor, "pairs 2"]:
        """All ordered pairs of distinct usable images of one person."""
        return ordered_pairs(self.identities, self.usable)


def _split(root: Path, split: Split) -> tuple[Path, set[str] | None]:
    """Gives the folder to read and the identities wanted from it (None: everybody)."""
    train, test = root / "bounding_box_train", root / "bounding_box_test"
    folder = train if train.is_dir() else root
    split_file = root / SPLIT_FILE
    if split == "all":
        return folder, None
    if split_file.is_file():
        try:
            identities = json.loads(split_file.read_text(encoding="utf-8"))
            parts = {part: {str(who) for who in identities[part]} for part in ("train", "test")}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{split_file} is not a split like "
                '{"train": ["0002", ...], "test": ["0007", ...]}.'
            ) from error
        both = parts["train"] & parts["test"]
        if both:
            raise InputError(f"{split_file} has {min(both)} in both train and test.")
        return folder, parts[split]
    if split == "test":
        if not test.is_dir():
            raise InputError(f"{root} has neither bounding_box_test nor {SPLIT_FILE}: no test set.")
        return test, None
    return folder, None


def _annotations(root: Path, folder: Path, given: str | Path | None) -> Annotations:
    if given is not None:
        return read_annotation_csv(given)
    part = "test" if folder.name == "bounding_box_test" else "train"
    candidates = [f"market-annotation-{part}.csv", "annotation.csv"]
    for name in candidates:
        if (root / name).is_file():
            return read_annotation_csv(root / name)
    raise InputError(f"{root} has no annotation table: {' or '.join(candidates)}.")


def _read_images(paths: list[Path]) -> Tensor:
    images = None
    for index, path in enumerate(paths):
        try:
            with Image.open(path) as file:
                image = np.asarray(file.convert("RGB"))
        except OSError as error:
            raise InputError(f"The image {path} cannot be read: {error}.") from error
        if images is None:
            images = np.empty((len(paths), *image.shape), dtype=np.uint8)
        if image.shape != images.shape[1:]:
            raise InputError(
                f"{path} is {image.shape[0]}x{image.shape[1]} pixels (height x width), the images "
                f"before it are {images.shape[1]}x{images.shape[2]}; all must be of one size."
            )
        images[index] = image
    assert images is not None
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
