"""CUHK03: pedestrians seen by pairs of cameras, in the three layouts that are in use."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal

from deformgan.datasets.market1501 import QUERY, TEST, TRAIN
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
    """What a file name says.

    Attributes:
        identity: Who it is, as written. Extracted files count people anew in every camera pair, so
            the pair belongs to it: "1_001".
        camera: First (1) or second (2) of the camera pair.
    """

    identity: str
    camera: int

    @staticmethod
    def parse(name: str) -> "CUHK03Name":
        """Read `0007_03.jpg`, `0001_c1_5_0001.png` or `1_001_1_01.png`."""
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
    """Which of the layouts a folder has, and where in it things lie.

    Attributes:
        kind: One of the three that `CUHK03` describes.
        boxes: Whose boxes are read: drawn by people, or by a detector.
        tables: Path of the annotation tables' folder, in the data set's.
        folders: Paths of the images' folders.
    """

    kind: Literal["first-pair", "new-protocol", "extracted"]
    boxes: Boxes
    tables: str
    folders: tuple[str, ...]


class CUHK03(NamedPhotos):
    """People of CUHK03 with their poses. The data set itself has no joints.

    Three layouts are read:

    - first camera pair: `images/PPPP_00.jpg` to `_04` by one camera and `_05` to `_09` by the
      other, `annotation.csv`;
    - CUHK03-NP, as the field distributes it: `labeled` and `detected`, each with
      `bounding_box_train`, `query` and `bounding_box_test` (`0001_c1_5_0001.png`), and one's
      `annotation-train.csv`, `annotation-test.csv` or `annotation.csv` beside these. Either of
      `labeled` and `detected` may be given too; that is a Market layout, as Re-ID tools want it;
    - extracted from the official `.mat` by torchreid and its like: `images_labeled` and
      `images_detected` (`1_001_1_01.png`: camera pair, person, camera, photo), and
      `annotation-labeled.csv` or `annotation.csv`.

    Only images that the annotation table names are read, in its order. `identity-split.json`
    (`{"train": [...], "test": [...]}`) is the split where the folder has it, and parts the people
    of CUHK03-NP's training folder. Else CUHK03-NP's folders are the split (queries show the test
    people again and are not read), and for extracted images the people of the first split in
    `splits_new_labeled.json`, or in `splits_classic_labeled.json`. Somebody on both sides is an
    error.

    Images come as 256x96 (height x width), by default stretched: boxes were drawn round people, so
    their proportions differ from photo to photo, and the field resizes them without regard to that.
    Padding would go on with a photo's border to the edge of the image, and a network that is
    trained on such streaks paints them; cutting to the proportions would cost heads, feet or arms.

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
            split: "all" reads everybody, of CUHK03-NP its whole training folder.
            annotations: The annotation table, in pixels of the files; by default in `root`.
            size: (height, width) of the images; by default (256, 96).
            fit: How images of other sizes come to it.
            cache: See `PhotoSet`.
            skeleton: Of the poses.
            boxes: Drawn by people ("labeled") or by a detector; by default the former where they
                are there.
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
        """Tell whether a folder looks like this data set."""
        return find_layout(root) is not None


def find_layout(root: Path, boxes: Boxes | None = None) -> CUHK03Layout | None:
    """Find out which of CUHK03's layouts a folder has.

    Args:
        root: The folder.
        boxes: Whose; by default those drawn by people where they are there.

    Returns:
        The layout, None if it is none of them.
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


def find_extracted_split(root: Path, boxes: Boxes) -> Path | None:
    """Find the split that torchreid wrote beside the images: the new protocol's, else a classic."""
    files = [root / f"splits_{protocol}_{boxes}.json" for protocol in ("new", "classic")]
    return next((file for file in files if file.is_file()), None)


def read_extracted_split(file: Path) -> dict[str, set[str]]:
    """Read who is to train on and who to test on from the first split of torchreid's.

    Args:
        file: A list of splits, each with "train", "query" and "gallery" as lists of (path, number
            of the person, camera). The numbers begin anew at 0 for each part, so people are known
            by the names of their images; where these were when they were extracted does not matter.

    Returns:
        Identities of "train" and "test"; nobody has looked yet whether they share anybody.
    """
    try:
        first = json.loads(file.read_text(encoding="utf-8"))[0]
        people = {
            part: {
                CUHK03Name.parse(PureWindowsPath(path).name).identity for path, *_ in first[part]
            }
            for part in ("train", "query", "gallery")
        }
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f'{file} is not a list of splits like {{"train": [["1_001_1_01.png", 0, 0], ...], '
            '"query": [...], "gallery": [...]}.'
        ) from error
    return {"train": people["train"], "test": people["query"] | people["gallery"]}


def _any_named(folder: Path, pattern: re.Pattern[str]) -> bool:
    try:
        return any(pattern.fullmatch(name) for name in os.listdir(folder))
    except OSError:  # absent, no folder, or one that must not be listed
        return False


def _split(root: Path, layout: CUHK03Layout, split: Split) -> tuple[Path, set[str] | None]:
    """Return the folder to read and the identities wanted from it (None: everybody)."""
    folders = {Path(folder).name: root / folder for folder in layout.folders}
    first = folders.get(TRAIN, next(iter(folders.values())))
    if split == "all":
        return first, None
    parts = read_identity_split(root)
    if parts is None and layout.kind == "extracted":
        file = find_extracted_split(root, layout.boxes)
        if file is not None:
            parts = read_extracted_split(file)
            refuse_shared_identities(parts["train"], parts["test"], str(file))
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
            raise InputError(f"{root} has no {TRAIN}: nobody to train on.")
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
    candidates = ["annotation.csv"]
    if layout.kind == "new-protocol":
        part = "test" if folder.name == TEST else "train"
        candidates.insert(0, f"annotation-{part}.csv")
    elif layout.kind == "extracted":
        candidates.insert(0, f"annotation-{layout.boxes}.csv")
    hint = "; CUHK03 comes without joints, `deformgan pose` finds them"
    return find_table(root / layout.tables, candidates, given, skeleton, hint)
