"""CUHK03: pedestrians seen by pairs of cameras, in the three common layouts."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Literal

from deformgan.datasets.market_name import QUERY, TEST, TRAIN, MarketName
from deformgan.datasets.named_photos import NamedPhotos, find_table
from deformgan.datasets.photo_set import Fit
from deformgan.datasets.splits import (
    SPLIT_FILE,
    NoTestSplitError,
    Split,
    read_identity_split,
    refuse_shared_identities,
)
from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.pose_formats.annotations import Annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (256, 96)

Boxes = Literal["labeled", "detected"]
BOXES: tuple[Boxes, ...] = ("labeled", "detected")
PARTS = (TRAIN, QUERY, TEST)

IMAGES = "images"  # of the first camera pair
_PER_CAMERA = 5  # photos of one person there

_FIRST_PAIR = re.compile(r"(\d{4})_(0\d)\.(?:jpe?g|png)", re.IGNORECASE)
_NEW_PROTOCOL = re.compile(r"(\d+)_c(\d+)_.*\.(?:jpe?g|png)", re.IGNORECASE)
_EXTRACTED = re.compile(r"([1-5]_\d{3,4})_([12])_\d{2}\.(?:jpe?g|png)", re.IGNORECASE)


@dataclass(frozen=True)
class CUHK03Name:
    """The fields of a file name.

    Attributes:
        identity: Person, as written. Extracted files number people separately for each camera pair,
            so the pair is included: "1_001".
        camera: First (1) or second (2) of the camera pair.
    """

    identity: str
    camera: int

    @staticmethod
    def parse(name: str) -> "CUHK03Name":
        """Parse `0007_03.jpg`, `0001_c1_5_0001.png` or `1_001_1_01.png`."""
        if match := _FIRST_PAIR.fullmatch(name):
            return CUHK03Name(match[1], 1 + int(match[2]) // _PER_CAMERA)
        if match := _NEW_PROTOCOL.fullmatch(name) or _EXTRACTED.fullmatch(name):
            return CUHK03Name(match[1], int(match[2]))
        raise InputError(
            f"{name!r} is not a CUHK03 file name like '0007_03.jpg', '0001_c1_5_0001.png' or "
            "'1_001_1_01.png'."
        )


@dataclass(frozen=True)
class CUHK03Layout:
    """The layout of a CUHK03 folder and the locations of its files.

    Attributes:
        kind: One of the three layouts that `CUHK03` describes.
        boxes: Manually drawn ("labeled") or detected boxes.
        tables: Folder of the annotation tables, relative to the data set's.
        folders: Folders of the images, relative to the data set's.
    """

    kind: Literal["first-pair", "new-protocol", "extracted"]
    boxes: Boxes
    tables: str
    folders: tuple[str, ...]


class CUHK03(NamedPhotos):
    """CUHK03 with poses, which are not part of the data set itself.

    Three layouts are supported:

    - first camera pair: `images/PPPP_00.jpg` to `_04` from one camera and `_05` to `_09` from the
      other, `annotation.csv`;
    - CUHK03-NP, as commonly distributed: `labeled` and `detected`, each with `bounding_box_train`,
      `query` and `bounding_box_test` (`0001_c1_5_0001.png`), and beside these its own
      `annotation-train.csv`, `annotation-test.csv` or `annotation.csv`. The path may also be that
      of `labeled` or `detected`, which is a Market layout as Re-ID tools expect it;
    - extracted from the official `.mat` by torchreid and similar tools: `images_labeled` and
      `images_detected` (`1_001_1_01.png`: camera pair, person, camera, photo), and
      `annotation-labeled.csv` or `annotation.csv`.

    Only images listed in the annotation table are read, in its order. If the folder has an
    `identity-split.json` (`{"train": [...], "test": [...]}`), it defines the split; for CUHK03-NP
    it divides the people of the training folder. Otherwise CUHK03-NP is split by folder (queries
    show the test people again and are not read), and extracted images by the first split in
    `splits_new_labeled.json` or `splits_classic_labeled.json`. A person in both splits is an error.

    Images are 256x96 (height x width), by default stretched: boxes are drawn tightly around people,
    so their aspect ratios vary, and resizing without regard to it is common practice. Padding would
    replicate border pixels up to the image edge, and a network trained on such streaks reproduces
    them; cropping to a fixed aspect ratio would cut off heads, feet or arms.

    Source:
        Li et al., "DeepReID: Deep Filter Pairing Neural Network for Person Re-Identification", CVPR
        2014. New protocol: Zhong et al., "Re-ranking Person Re-identification with k-reciprocal
        Encoding", CVPR 2017.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        annotations: str | Path | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "stretch",
        cache: str | Path | None = None,
        skeleton: Skeleton = OPENPOSE18,
        boxes: Boxes | None = None,
    ):
        """Read the images of one split.

        Args:
            root: The data set's folder.
            split: "all" reads everyone; for CUHK03-NP, the whole training folder.
            annotations: Annotation table, in pixels of the files; by default the one in `root`.
            size: (height, width) of the images; by default (256, 96).
            fit: How to resize other images to that size.
            cache: See `PhotoSet`.
            skeleton: Skeleton of the poses.
            boxes: Manually drawn ("labeled") or detected ("detected") boxes; by default the former
                if available.
        """
        root = Path(root)
        if not root.is_dir():
            raise InputError(f"The data set folder {root} does not exist.")
        layout = find_layout(root, boxes)
        if layout is None:
            raise InputError(
                f"{root} has no {boxes or 'CUHK03'} images: neither images/0007_03.jpg nor labeled "
                "or detected with bounding_box_train, nor images_labeled or images_detected."
            )
        folder, wanted = _split(root, layout, split)
        table = _annotations(root, layout, folder, annotations, skeleton)
        super().__init__(
            folder,
            table,
            CUHK03Name.parse,
            lambda who: wanted is None or who in wanted,
            split,
            size=size or SIZE,
            fit=fit,
            cache=cache,
            skeleton=skeleton,
        )

    @staticmethod
    def matches(root: Path) -> bool:
        """Return whether a folder looks like this data set."""
        return find_layout(root) is not None


def find_layout(root: Path, boxes: Boxes | None = None) -> CUHK03Layout | None:
    """Detect which of CUHK03's layouts a folder has.

    Args:
        root: The folder.
        boxes: Required kind of boxes; by default manually drawn ones if available.

    Returns:
        The layout, or None if there is no match.
    """
    sides = BOXES if boxes is None else (boxes,)
    if "labeled" in sides and _any_named(root / IMAGES, _FIRST_PAIR):
        return CUHK03Layout("first-pair", "labeled", "", (IMAGES,))
    for side in sides:
        inner = "" if root.resolve().name == side else f"{side}/"
        folders = tuple(f"{inner}{part}" for part in PARTS if (root / inner / part).is_dir())
        if any(_any_named(root / folder, _NEW_PROTOCOL) for folder in folders):
            return CUHK03Layout("new-protocol", side, inner.rstrip("/"), folders)
    for side in sides:
        folder = f"{IMAGES}_{side}"
        if _any_named(root / folder, _EXTRACTED):
            return CUHK03Layout("extracted", side, "", (folder,))
    return None


def table_names(layout: CUHK03Layout, folder: Path) -> list[str]:
    """Return the names an annotation table can have, in order of preference.

    Args:
        layout: The layout of the data set.
        folder: Folder of the images that it lists.
    """
    names = ["annotation.csv"]
    if layout.kind == "new-protocol":
        part = "test" if folder.name == TEST else "train"
        names.insert(0, f"annotation-{part}.csv")
    elif layout.kind == "extracted":
        names.insert(0, f"annotation-{layout.boxes}.csv")
    return names


def market_name(name: str) -> str:
    """Return the name of a photo in Market-1501's style, which every Re-ID tool reads.

    Identity and camera are kept, and the photo's number is the frame. Names in that style stay as
    they are, such as those of CUHK03-NP.

    Args:
        name: Such as `0007_03.jpg`, which becomes `0007_c1s1_000003_00.jpg`, or `1_001_2_06.png`,
            which becomes `1001_c2s1_000006_00.png`.
    """
    if not _FIRST_PAIR.fullmatch(name) and not _EXTRACTED.fullmatch(name):
        MarketName.parse(name)
        return name
    field, path = CUHK03Name.parse(name), PurePath(name)
    frame = int(path.stem.rpartition("_")[2])
    return f"{field.identity.replace('_', '')}_c{field.camera}s1_{frame:06d}_00{path.suffix}"


def read_people(root: Path, layout: CUHK03Layout) -> dict[str, set[str]] | None:
    """Read the identities for training and testing; None if they are divided by folder or not.

    Args:
        root: The data set's folder, with `identity-split.json` or torchreid's split.
        layout: The layout of that folder.
    """
    parts = read_identity_split(root)
    if parts is None and layout.kind == "extracted":
        file = find_extracted_split(root, layout.boxes)
        if file is not None:
            parts = read_extracted_split(file)
            refuse_shared_identities(parts["train"], parts["test"], str(file))
    return parts


def find_extracted_split(root: Path, boxes: Boxes) -> Path | None:
    """Find the split file that torchreid wrote: the new protocol's, else the classic one."""
    files = [root / f"splits_{protocol}_{boxes}.json" for protocol in ("new", "classic")]
    return next((file for file in files if file.is_file()), None)


def read_extracted_split(file: Path) -> dict[str, set[str]]:
    """Read the identities for training and testing from the first of torchreid's splits.

    Args:
        file: See `read_extracted_names`.

    Returns:
        Identities of "train" and "test"; they are not checked for overlap.
    """
    people = {
        part: {CUHK03Name.parse(name).identity for name in names}
        for part, names in read_extracted_names(file).items()
    }
    return {"train": people["train"], "test": people["query"] | people["gallery"]}


def read_extracted_names(file: Path) -> dict[str, list[str]]:
    """Read the file names in the first of torchreid's splits.

    Args:
        file: A list of splits, each with "train", "query" and "gallery" as lists of (path, person
            number, camera). The numbers restart at 0 for each part, so people are identified by
            their images' file names; the directories in the paths are ignored.

    Returns:
        Names of "train", "query" and "gallery".
    """
    try:
        first = json.loads(file.read_text(encoding="utf-8"))[0]
        return {
            part: [PureWindowsPath(path).name for path, *_ in first[part]]
            for part in ("train", "query", "gallery")
        }
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(
            f'{file} is not a list of splits like {{"train": [["1_001_1_01.png", 0, 0], ...], '
            '"query": [...], "gallery": [...]}.'
        ) from error


def _any_named(folder: Path, pattern: re.Pattern[str]) -> bool:
    try:
        return any(pattern.fullmatch(name) for name in os.listdir(folder))
    except OSError:  # absent, no folder, or one that must not be listed
        return False


def _split(root: Path, layout: CUHK03Layout, split: Split) -> tuple[Path, set[str] | None]:
    """Return the folder to read and the identities to keep (None: all)."""
    folders = {Path(folder).name: root / folder for folder in layout.folders}
    first = folders.get(TRAIN, next(iter(folders.values())))
    if split == "all":
        return first, None
    parts = read_people(root, layout)
    if parts is not None:
        return first, parts[split]
    if layout.kind == "new-protocol":
        people = {part: _people(folder) for part, folder in folders.items()}
        tested = people.get(TEST, set()) | people.get(QUERY, set())
        refuse_shared_identities(people.get(TRAIN, set()), tested, str(root))
        wanted = TRAIN if split == "train" else TEST
        if wanted in folders:
            return folders[wanted], None
        if split == "train":
            raise InputError(f"{root} has no {TRAIN}: no training set.")
    if split == "test":
        raise NoTestSplitError(f"{root} has no {SPLIT_FILE}, or other split: no test set.")
    return first, None


def _people(folder: Path) -> set[str]:
    names = [_NEW_PROTOCOL.fullmatch(path.name) for path in folder.iterdir()]
    return {match[1] for match in names if match is not None}


def _annotations(
    root: Path,
    layout: CUHK03Layout,
    folder: Path,
    given: str | Path | None,
    skeleton: Skeleton,
) -> Annotations:
    candidates = table_names(layout, folder)
    hint = "; CUHK03 comes without joints, `deformgan pose` finds them"
    return find_table(root / layout.tables, candidates, given, skeleton, hint)
