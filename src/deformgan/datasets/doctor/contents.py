"""Contents: the files of a data set's folder, listed without opening any."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal

from deformgan.datasets.cuhk03 import BOXES, CUHK03Layout, CUHK03Name, find_layout
from deformgan.datasets.deepfashion import identity_of, photo_key
from deformgan.datasets.doctor.finding import Finding
from deformgan.datasets.folder import POSE_FILES
from deformgan.datasets.market_name import QUERY, TEST, TRAIN, MarketName
from deformgan.datasets.nobody import SIDES, find_nobody
from deformgan.datasets.splits import SPLIT_FILE
from deformgan.datasets.surfaces import SURFACES
from deformgan.datasets.synthetic import BACKGROUNDS, MASKS
from deformgan.errors import InputError
from deformgan.photo_file import PHOTO_SUFFIXES

Layout = Literal["cuhk03", "market1501", "synthetic", "deepfashion", "folder"]

OWN = ""  # part of images directly in the folder, or in folders that are not a named part
_MARKET_PARTS = (TRAIN, TEST, QUERY)
_DEEPFASHION_PART = "img"
_BESIDE = (MASKS, BACKGROUNDS, SURFACES)
_DEPTH = 8  # nesting of folders


@dataclass(frozen=True)
class Contents:
    """The files of a data set's folder.

    Attributes:
        root: The folder.
        layout: Its layout, a name in `datasets.DATASETS`.
        images: Paths relative to the folder, with the part of the data set that each belongs to.
        tables: Paths of `.csv` files and of JSON pose files.
        beside: Paths in `masks`, `backgrounds` and `surfaces`.
        findings: Files that could not be examined.
        cuhk03: CUHK03 layout, if any.
        nobody: Identities that are not people, by part; none in most layouts.
    """

    root: Path
    layout: Layout
    images: dict[str, str]
    tables: list[str]
    beside: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    cuhk03: CUHK03Layout | None = None
    nobody: Mapping[str, Collection[str]] = field(default_factory=dict)

    def identity(self, image: str) -> str | None:
        """Return the identity in an image, None if its name or folder does not reveal it."""
        return _identity(self.layout, image)

    def is_nobody(self, image: str) -> bool:
        """Return whether an image is junk or a distractor."""
        return self.identity(image) in self.nobody.get(self.images[image], ())

    def key(self, name: str) -> str:
        """Return a key shared by an image's path and its name in tables."""
        return _key(self.layout, name)

    @cached_property
    def by_key(self) -> dict[str, list[str]]:
        """Images by key, as names in tables may refer to them."""
        found: dict[str, list[str]] = {}
        for image in self.images:
            found.setdefault(self.key(image), []).append(image)
            if self.layout == "folder":  # also by file name alone, which may be ambiguous
                found.setdefault(PurePosixPath(image).name, []).append(image)
        return {key: list(dict.fromkeys(images)) for key, images in found.items()}

    def find(self, name: str) -> str | None:
        """Find the image that a name in a table refers to; the training folder comes first."""
        return next(iter(self.by_key.get(self.key(name), [])), None)

    @property
    def split_file(self) -> Path | None:
        """The identity split file, if there is one."""
        path = self.root / SPLIT_FILE
        return path if path.is_file() else None


@lru_cache(maxsize=1 << 20)
def _identity(layout: Layout, image: str) -> str | None:
    path = PurePosixPath(image)
    try:
        if layout == "folder":
            return path.parent.name or None
        if layout == "deepfashion":
            return identity_of(image)
        if layout == "cuhk03":
            return CUHK03Name.parse(path.name).identity
        return MarketName.parse(path.name).identity
    except InputError:
        return None


@lru_cache(maxsize=1 << 20)
def _key(layout: Layout, name: str) -> str:
    path = PurePosixPath(name)
    if layout == "folder":
        return "/".join(path.parts[-2:])
    if layout == "deepfashion":
        try:
            return photo_key(name)
        except InputError:
            return name
    return path.name


def look_into(root: Path, nobody: Collection[str] | None = None) -> Contents:
    """List a data set's folder and detect its layout.

    Args:
        root: The folder.
        nobody: Identities that are not people; by default decided by the data.
    """
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise InputError(f"The data set folder {printable_path(root)} {what}.")
    try:
        os.scandir(root).close()
    except OSError as error:
        raise InputError(f"{printable_path(root)} cannot be listed: {error.strerror}.") from error
    findings: list[Finding] = []
    files = list(_walk(root, "", set(), findings, _DEPTH))
    images = [file for file in files if PurePosixPath(file).suffix.lower() in PHOTO_SUFFIXES]
    cuhk03 = find_layout(root)
    layout = "cuhk03" if cuhk03 is not None else _recognize(root, images)
    parts = _parts(root, layout, images, cuhk03)
    # Photos of people are one folder deep; if most images are deeper, this is no data set.
    if not parts or (layout == "folder" and 2 * len(parts) < len(images)):
        blocked = f" ({findings[0]})" if findings else ""
        raise InputError(
            f"{printable_path(root)} contains no image of a data set{blocked}; known layouts are "
            "Market-1501's (bounding_box_train/0002_c1s1_000451_03.jpg), CUHK03's three, "
            "DeepFashion's (original paths or flat names), and a folder of photos for each person."
        )
    tables = [file for file in files if _is_table(file, layout, cuhk03)]
    beside = [file for file in files if file.split("/", 1)[0] in _BESIDE and "/" in file]
    looked_at = {*parts, *tables, *beside, SPLIT_FILE}
    # Report whole folders if none of their files is used, otherwise single files (Thumbs.db).
    folders = Counter(file.split("/", 1)[0] for file in looked_at)
    ignored = {
        file if folders[file.split("/", 1)[0]] else file.split("/", 1)[0]
        for file in files
        if file not in looked_at
    }
    findings += [Finding("not-looked-at", "", name) for name in sorted(ignored)]
    others = _nobody(root, nobody) if layout in ("market1501", "synthetic") else {}
    return Contents(root, layout, parts, tables, beside, findings, cuhk03, others)


def _nobody(root: Path, given: Collection[str] | None) -> dict[str, Collection[str]]:
    """Return the identities that are not people, by part."""
    train, test = (find_nobody(root, side, given) for side in SIDES)
    return {part: train if part in (TRAIN, OWN) else test for part in (*_MARKET_PARTS, OWN)}


def printable_path(path: Path) -> str:
    """Return a path as printable text."""
    return Finding("not-looked-at", str(path)).what


def _walk(
    root: Path, folder: str, above: set[tuple[int, int]], findings: list[Finding], depth: int
) -> Iterator[str]:
    """Yield the paths of regular files below a folder, sorted; follows links but not cycles."""
    try:
        about = os.stat(root / folder)
        with os.scandir(root / folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        findings.append(Finding("unlistable-folder", str(error.strerror), folder))
        return
    here = (about.st_dev, about.st_ino)
    if here in above:
        return
    for name in names:
        if name.startswith("."):
            continue
        path = f"{folder}/{name}" if folder else name
        named_image = PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES
        try:
            mode = os.stat(root / path).st_mode
        except OSError as error:
            if named_image:
                what = "a broken link: " if os.path.islink(root / path) else ""
                findings.append(Finding("no-file", f"{what}{error.strerror}", path))
            continue
        if stat.S_ISREG(mode):
            yield path
        elif named_image:
            what = "a folder" if stat.S_ISDIR(mode) else "neither file nor folder"
            findings.append(Finding("no-file", what, path))
        elif stat.S_ISDIR(mode) and depth > 1:
            yield from _walk(root, path, above | {here}, findings, depth - 1)


def _recognize(root: Path, images: list[str]) -> Layout:
    """Detect the layout like `datasets.recognize`, but by the majority of images."""
    if any((root / part).is_dir() for part in (TRAIN, TEST)) or _most(
        [image for image in images if "/" not in image], _is_market
    ):
        return "synthetic" if any((root / name).is_dir() for name in _BESIDE) else "market1501"
    inner = [image for image in images if image.split("/", 1)[0] not in _BESIDE]
    return "deepfashion" if _most(inner, _is_deepfashion) else "folder"


def _most(images: list[str], matches: Callable[[str], bool]) -> bool:
    return 2 * sum(matches(image) for image in images) > len(images)


def _is_market(image: str) -> bool:
    try:
        MarketName.parse(PurePosixPath(image).name)
    except InputError:
        return False
    return True


def _is_deepfashion(image: str) -> bool:
    path = PurePosixPath(image)
    return path.parent.name.startswith("id_") or (
        path.name.startswith(("fashion", "fasion", "MEN", "WOMEN")) and "id" in path.name
    )


def _parts(
    root: Path, layout: Layout, images: list[str], cuhk03: CUHK03Layout | None
) -> dict[str, str]:
    """Return the images that belong to the data set, each with its part."""
    if cuhk03 is not None:
        parts = cuhk03.folders
        return {image: folder for image in images if (folder := image.rpartition("/")[0]) in parts}
    if layout in ("market1501", "synthetic"):
        parts = [part for part in _MARKET_PARTS if (root / part).is_dir()] or [OWN]
        return {image: folder for image in images if (folder := image.rpartition("/")[0]) in parts}
    if layout == "deepfashion":
        inner = [image for image in images if image.startswith(f"{_DEEPFASHION_PART}/")]
        return dict.fromkeys(inner or images, OWN)
    return {image: OWN for image in images if image.count("/") <= 1}


def _is_table(file: str, layout: Layout, cuhk03: CUHK03Layout | None) -> bool:
    if cuhk03 is not None:
        folder, _, name = file.rpartition("/")
        others = [f"annotation-{boxes}.csv" for boxes in BOXES if boxes != cuhk03.boxes]
        return folder == cuhk03.tables and name.lower().endswith(".csv") and name not in others
    if file in POSE_FILES:
        return True
    folder, slash, name = file.rpartition("/")
    if layout == "folder" and "pairs" not in name:
        return False
    if slash and not (layout == "deepfashion" and folder in ("old", "new")):
        return False
    return PurePosixPath(name).suffix.lower() == ".csv"
