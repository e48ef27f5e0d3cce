"""Finding: one problem or observation of the data doctor, and all kinds of them."""

from dataclasses import dataclass
from typing import Literal

from deformgan.errors import printable

_LONGEST = 400  # characters; file names may be very long

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Kind:
    """Properties shared by all findings of one kind.

    Attributes:
        severity: An "error" stops readers or falsifies results, a "warning" costs data or is
            probably unintended, an "info" is normal.
        title: Description, in the plural.
        advice: How to fix it; empty if nothing needs fixing.
    """

    severity: Severity
    title: str
    advice: str = ""


# In the order of the report.
KINDS: dict[str, Kind] = {
    # Errors.
    "unlistable-folder": Kind("error", "folders that cannot be listed", "Look at permissions."),
    "no-file": Kind(
        "error",
        "image names that are not files",
        "Remove folders and broken links with such names.",
    ),
    "unreadable-image": Kind(
        "error", "images that cannot be decoded", "Copy them again from their source."
    ),
    "unreadable-surface": Kind(
        "error", "surfaces that cannot be read or do not fit their picture", "Render them again."
    ),
    "unreadable-table": Kind("error", "tables that cannot be read"),
    "bad-header": Kind("error", "tables without their header", "Make it the first line."),
    "bad-row": Kind("error", "lines that cannot be read", "Correct or delete the lines."),
    "repeated-name": Kind(
        "error",
        "names that occur twice in a table",
        "Delete all lines of a name but the right one.",
    ),
    "ambiguous-name": Kind(
        "error", "names that several images have", "Write the person's folder before the name."
    ),
    "no-table": Kind("error", "images without an annotation table"),
    "all-missing": Kind(
        "error",
        "tables in which every joint is -1",
        "The 2018 script that computes coordinates does this under Python 3, whose division "
        "differs (pose-gan, issue 31); `deformgan pose` makes a new table.",
    ),
    "swapped-axes": Kind(
        "error", "x and y that look exchanged", "The first list is y, the second x: swap them."
    ),
    "shares-of-size": Kind(
        "error",
        "coordinates that look like fractions of the image size",
        "They must be pixels: multiply x by the width and y by the height.",
    ),
    "other-size-stated": Kind(
        "error",
        "image sizes in a table that are not those of the images",
        "Make the table from these images.",
    ),
    "no-person-folder": Kind(
        "error", "photos outside of a person's folder", "Move each to <person>/<photo>."
    ),
    "bad-split": Kind("error", "identity splits that cannot be read"),
    "leak": Kind(
        "error",
        "identities both to train on and to test on",
        "Results on such people are meaningless: remove them from one of the two.",
    ),
    "two-people-one-image": Kind(
        "error", "equal images of different people", "Keep the one with the right identity."
    ),
    "unknown-in-pair": Kind("error", "pairs of images that are not there", "Delete the lines."),
    # Warnings.
    "missing-part": Kind("warning", "parts of the data set that are not there"),
    "other-count": Kind("warning", "counts other than the official ones"),
    "odd-size": Kind("warning", "images of another size than most"),
    "no-joints": Kind(
        "warning",
        "images without a readable line in an annotation table",
        "They are never used; `deformgan pose` finds joints.",
    ),
    "no-image": Kind("warning", "lines without an image", "They are never used."),
    "size-before-turn": Kind(
        "warning",
        "image sizes in a table that are those of the photo before its EXIF turn",
        "Readers turn the joints with the photo; do not exchange x and y, which mirrors people.",
    ),
    "joints-outside": Kind("warning", "poses with joints outside of the image"),
    "equal-images": Kind("warning", "images that are there twice", "Keep one of them."),
    "odd-name": Kind(
        "warning", "image names without an identity", "Such images are skipped or stop a reader."
    ),
    "pair-of-two": Kind("warning", "pairs of two different people"),
    "pair-of-one": Kind("warning", "pairs of an image with itself"),
    "repeated-pair": Kind("warning", "pairs that occur twice"),
    "unusable-in-pair": Kind(
        "warning",
        "pairs with an image without torso or without joints",
        "Readers that need both hips and both shoulders fail on them.",
    ),
    "incomplete-render": Kind(
        "warning", "images without a mask, background or surface", "Render it again."
    ),
    "absent-identity": Kind("warning", "identities of the split without an image"),
    "unsplit-identity": Kind("warning", "people missing from the split", "They are never used."),
    # Information.
    "official": Kind("info", "official numbers"),
    "known-split": Kind("info", "splits recognized"),
    "absent": Kind("info", "not present, and not needed with an identity split file"),
    "nobody-found": Kind("info", "lines in which every joint is missing"),
    "no-torso": Kind("info", "unusable poses: a hip or shoulder is missing"),
    "junk": Kind("info", "junk boxes (identity -1), which readers skip"),
    "distractor": Kind("info", "distractors (identity 0000): nobody; Re-ID galleries keep them"),
    "numbered-from-0": Kind(
        "info",
        "people are numbered from 0: identity 0000 is a person",
        "If it is nobody, add --nobody -1 0000.",
    ),
    "shared-item": Kind(
        "info", "garments with one color to train on and another to test on (as in the old split)"
    ),
    "not-looked-at": Kind("info", "files and folders that were not checked"),
}


@dataclass(frozen=True)
class Finding:
    """One problem or observation.

    Attributes:
        kind: A key of `KINDS`.
        what: Description.
        file: Path in the data set, escaped to be printable; None if it concerns the whole set.
        line: Line of that file, from 1.
    """

    kind: str
    what: str
    file: str | None = None
    line: int | None = None

    def __post_init__(self):
        what = printable(self.what)
        short = what if len(what) <= _LONGEST else what[: _LONGEST - 3] + "..."
        object.__setattr__(self, "what", short)
        if self.file is not None:
            object.__setattr__(self, "file", printable(self.file))

    @property
    def severity(self) -> Severity:
        """Severity of the finding's kind."""
        return KINDS[self.kind].severity

    def __str__(self) -> str:
        place = "" if self.file is None else self.file
        if self.line is not None:
            place += f", line {self.line}"
        return ": ".join(part for part in (place, self.what) if part)
