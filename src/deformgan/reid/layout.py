"""Layout: where a Re-ID data set has its photos, and how their names are read."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from deformgan.datasets.cuhk03 import (
    CUHK03Layout,
    CUHK03Name,
    find_extracted_split,
    find_layout,
    read_extracted_names,
    read_people,
    table_names,
)
from deformgan.datasets.market_name import BY_HAND, QUERY, TEST, TRAIN, MarketName
from deformgan.datasets.named_photos import PhotoName
from deformgan.datasets.nobody import Side, find_nobody
from deformgan.datasets.splits import read_identity_split


@dataclass(frozen=True)
class Layout:
    """The layout of a data set: Market-1501's, or one of CUHK03's.

    Attributes:
        root: The data set's folder.
        parse: Parses a file name.
        train: Folder of the training photos, and of the test people's too if `people` divides them.
        query: Folder of the queries; None if there is none.
        gallery: Folder of the gallery; None if there is none.
        by_hand: Folder of further photos of both training and test people; None if there is none.
        test_tables: Annotation tables that may list the gallery, in order of preference.
        cuhk03: Which of CUHK03's layouts it is; None for Market-1501's.
    """

    root: Path
    parse: Callable[[str], PhotoName]
    train: Path
    query: Path | None
    gallery: Path | None
    by_hand: Path | None
    test_tables: tuple[Path, ...]
    cuhk03: CUHK03Layout | None = None

    @staticmethod
    def find(root: Path) -> "Layout":
        """Detect the layout of a folder; a folder of neither kind counts as Market-1501's.

        Args:
            root: Folder in Market-1501's layout, or of photos named like its; or in one of the
                layouts that `CUHK03` reads.
        """
        layout = find_layout(root)
        if layout is not None:
            return _of_cuhk03(root, layout)
        tables = ("market-annotation-test.csv", "market-annotation-train.csv", "annotation.csv")
        return Layout(
            root,
            MarketName.parse,
            root / TRAIN if (root / TRAIN).is_dir() else root,
            _if_there(root / QUERY),
            _if_there(root / TEST),
            _if_there(root / BY_HAND),
            tuple(root / table for table in tables),
        )

    @property
    def people(self) -> dict[str, set[str]] | None:
        """Identities for "train" and "test", where a file divides them; None elsewhere."""
        if self.cuhk03 is None:
            return read_identity_split(self.root)
        return read_people(self.root, self.cuhk03)

    @property
    def test_names(self) -> dict[str, set[str]] | None:
        """File names of "query" and "gallery", where torchreid's split lists them."""
        if self.cuhk03 is None or read_identity_split(self.root) is not None:
            return None
        file = None
        if self.cuhk03.kind == "extracted":
            file = find_extracted_split(self.root, self.cuhk03.boxes)
        if file is None:
            return None
        names = read_extracted_names(file)
        return {part: set(names[part]) for part in ("query", "gallery")}

    def nobody(self, side: Side, given: Collection[str] | None = None) -> Collection[str]:
        """Return the identities that are not people; in CUHK03, everybody is a person.

        Args:
            side: Training photos, or queries and gallery.
            given: The user's answer; None to decide by the data, see `find_nobody`.
        """
        if self.cuhk03 is None:
            return find_nobody(self.root, side, given)
        return () if given is None else given


def _of_cuhk03(root: Path, layout: CUHK03Layout) -> Layout:
    folders = {Path(folder).name: root / folder for folder in layout.folders}
    train = next(iter(folders.values()))
    if layout.kind == "new-protocol":
        train = root / layout.tables / TRAIN
    gallery = folders.get(TEST)
    tables = table_names(layout, gallery or train)
    return Layout(
        root,
        CUHK03Name.parse,
        train,
        folders.get(QUERY),
        gallery,
        None,
        tuple(root / layout.tables / table for table in tables),
        layout,
    )


def _if_there(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None
