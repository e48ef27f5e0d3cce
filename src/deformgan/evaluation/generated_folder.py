"""GeneratedFolder: the pictures that somebody's system left in a folder, one per pair.

A picture is found by its name, without regard to the case of its extension (`.png`, `.jpg` or
`.jpeg`), in the folder itself and not below it. `FROM` and `TO` are the photos' names, `from` and
`to` the same without extension:

| name                | who writes it                               | what is in the file     |
| ------------------- | ------------------------------------------- | ----------------------- |
| `from__to.png`      | deformgan; its contract with everybody      | 1 picture               |
| `FROM_TO.png`       | pose-gan                                    | 3 pictures side by side |
| `FROM___TO_vis.jpg` | PATN, ADGAN and what descends from them     | 5 pictures side by side |
| `from_2_to_vis.jpg` | GFLA, DPTN; NTED and PIDM as `.png`         | 1 picture               |
| `from_to_vis.jpg`   | copies of the above                         | 1, 3 or 5               |

How many pictures a file holds is seen from its size: it is as high as the target photo and 1, 3 or
5 times as wide. Of three (source, target, generated) and of five (source, its pose, target, its
pose, generated) the last one is the generated picture.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from deformgan.errors import InputError
from deformgan.evaluation.pair_photos import PairPhotos
from deformgan.evaluation.systems import Pictures

EXTENSIONS = (".png", ".jpg", ".jpeg")

FORMS: tuple[Callable[[Path, Path], str], ...] = (
    lambda source, target: f"{source.stem}__{target.stem}",
    lambda source, target: f"{source.name}_{target.name}",
    lambda source, target: f"{source.name}___{target.name}_vis",
    lambda source, target: f"{source.stem}_2_{target.stem}_vis",
    lambda source, target: f"{source.stem}_{target.stem}_vis",
)
"""(source, target) photo -> name of the picture, without extension."""

GENERATED_PANEL = {1: 0, 3: 2, 5: 4}
"""Number of pictures side by side in a file -> which of them is the generated one."""

# What is no 8-bit RGB, but has one meaning as such.
_CONVERTED = {"1": "black and white", "L": "grayscale", "P": "palette"}
_WITH_ALPHA = ("RGBA", "LA", "PA")


@dataclass
class Reading:
    """What reading one pair's picture gave.

    Attributes:
        picture: RGB bytes; None where there is none that can be scored.
        was_jpeg: Whether it was stored with loss.
        problems: A sentence for everything that was wrong, also where there is a picture.
    """

    picture: UInt8[Tensor, "3 height width"] | None = None
    was_jpeg: bool = False
    problems: list[str] = field(default_factory=list)


class GeneratedFolder:
    """Finds the pictures of pairs; a picture is read when it is asked for, and then forgotten.

    Attributes:
        folder: Where the pictures are.
        strays: A sentence for everything in the folder that belongs to no pair.
    """

    def __init__(self, folder: Path, pairs: Sequence[tuple[str, str]], lossless: bool = True):
        """Looks at the names in the folder, not at what is in the files.

        Args:
            folder: Where the pictures are.
            pairs: (source, target) names of photos.
            lossless: Whether a picture that was stored with loss is worth a word.
        """
        if not folder.is_dir():
            raise InputError(f"The folder of generated pictures {folder} does not exist.")
        self.folder = folder
        self.pairs = pairs
        self.lossless = lossless
        self._claims = _claims(pairs)
        self._files, self.strays, self._digest, self._stamp = self._look()

    @staticmethod
    def open(folder: Path, photos: PairPhotos, lossless: bool = True) -> "GeneratedFolder":
        """Finds the pictures of a list of pairs; arguments as the constructor's."""
        return GeneratedFolder(folder, photos.pairs, lossless)

    def describe(self) -> dict[str, Any]:
        """Tells all that its pictures depend on, as JSON has it; files by names and lengths."""
        return {"generated": str(self.folder), "generated_files_sha256": self._digest}

    def stamp(self) -> str:
        """Changes when a file is written again, even if it keeps its length."""
        return self._stamp

    def pictures(self, photos: PairPhotos, rows: Sequence[int]) -> Pictures:
        """Reads the pictures of some pairs; see `systems.System`.

        What belongs to no pair is told with the first pair of the list.
        """
        found = Pictures(problems=list(self.strays) if 0 in rows else [])
        for row in rows:
            reading = self.read(row, photos.sizes[row])
            found.problems += reading.problems
            if reading.picture is not None:
                found.by_row[row] = reading.picture
                if reading.was_jpeg:
                    found.were_jpeg.add(row)
        return found

    def read(self, row: int, size: tuple[int, int]) -> Reading:
        """Reads the picture of one pair.

        Args:
            row: Position of the pair in the list.
            size: (height, width) of its target photo.
        """
        source, target = self.pairs[row]
        files = self._files.get(self.pairs[row], [])
        if not files:
            name = FORMS[0](Path(source), Path(target))
            return _nothing(f"{name}.png is missing: {source} to {target} has no picture.")
        if len(files) > 1:
            return _nothing(
                f"{', '.join(sorted(files))} are {len(files)} pictures of one pair, {source} to "
                f"{target}: not scored, leave one."
            )
        others = [pair for pair in self._claims[_stem(files[0])] if pair != self.pairs[row]]
        if others:
            return _nothing(
                f"{files[0]} may be {source} to {target} or {' to '.join(others[0])}: not scored."
            )
        return self._decode(files[0], size)

    def _look(self) -> tuple[dict[tuple[str, str], list[str]], list[str], str, str]:
        """Finds which file belongs to which pair, what belongs to none, and two sums over all."""
        files: dict[tuple[str, str], list[str]] = {}
        strays = []
        digest, stamp = hashlib.sha256(), hashlib.sha256()
        with os.scandir(self.folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir():
                    strays.append(f"{entry.name} is a folder: pictures are not looked for in it.")
                    continue
                stat = entry.stat()
                digest.update(f"{entry.name}\n{stat.st_size}\n".encode())
                stamp.update(f"{entry.name}\n{stat.st_mtime_ns}\n".encode())
                stem = _stem(entry.name)
                owners = self._claims.get(stem, []) if stem else []
                if not owners:
                    strays.append(f"{entry.name} belongs to no pair: not scored.")
                for pair in owners:
                    files.setdefault(pair, []).append(entry.name)
        return files, strays, digest.hexdigest(), stamp.hexdigest()

    def _decode(self, name: str, size: tuple[int, int]) -> Reading:
        try:
            with Image.open(self.folder / name) as image:
                return self._picture(image, name, size)
        # Broken files make Pillow's decoders raise anything, from OSError to IndexError.
        except Exception as error:
            return _nothing(f"{name} cannot be read: {_one_line(error)}.")

    def _picture(self, image: Image.Image, name: str, size: tuple[int, int]) -> Reading:
        """Takes the generated picture out of an opened file."""
        if image.format not in ("PNG", "JPEG"):
            return _nothing(f"{name} is a {image.format} file, PNG and JPEG are read: not scored.")
        panels = _panels((image.height, image.width), size)
        if panels is None:
            found, wanted = (f"{height}x{width}" for height, width in (image.size[::-1], size))
            return _nothing(
                f"{name} is {found} pixels (height x width), its target photo is {wanted}: not "
                "scored."
            )
        refused = _refusal(image)
        if refused:
            return _nothing(f"{name} {refused}, 8-bit RGB is asked for: not scored.")

        was_jpeg = image.format == "JPEG"
        problems = []
        if was_jpeg and self.lossless:
            problems.append(f"{name} is a JPEG, the protocol asks for PNG: scored as it is.")
        if image.mode in _CONVERTED:
            problems.append(f"{name} is a {_CONVERTED[image.mode]} picture: scored as RGB.")
        if _has_alpha(image):
            problems.append(f"{name} has an alpha channel, all opaque: scored without it.")
        pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
        first = GENERATED_PANEL[panels] * size[1]
        # A copy, or else the whole strip stays in memory.
        picture = pixels[:, :, first : first + size[1]].clone(memory_format=torch.contiguous_format)
        return Reading(picture, was_jpeg, problems)


def _claims(pairs: Sequence[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Lists the pairs, mostly one, that a picture of some name (without extension) may be of."""
    claims: dict[str, list[tuple[str, str]]] = {}
    for pair in dict.fromkeys(pairs):
        source, target = (Path(name) for name in pair)
        for form in FORMS:
            owners = claims.setdefault(form(source, target), [])
            if pair not in owners:
                owners.append(pair)
    return claims


def _stem(name: str) -> str:
    """Takes a picture's extension off its name; "" where it has none."""
    for extension in EXTENSIONS:
        if name.lower().endswith(extension):
            return name[: -len(extension)]
    return ""


def _panels(found: tuple[int, int], target: tuple[int, int]) -> int | None:
    """Counts the pictures side by side in a file; None where its size fits no known number."""
    if found[0] != target[0] or found[1] % target[1]:
        return None
    panels = found[1] // target[1]
    return panels if panels in GENERATED_PANEL else None


def _refusal(image: Image.Image) -> str | None:
    """Tells why a picture's pixels have no one meaning as 8-bit RGB, if so."""
    # Pillow opens RGB of 16 bits as 8 without a word; its decoder's arguments tell.
    if image.mode.startswith(("I", "F")) or any(
        "16" in str(tile.args) for tile in getattr(image, "tile", ())
    ):
        return "has more than 8 bits per colour"
    if _has_alpha(image) and np.array(image.convert("RGBA"))[..., 3].min() < 255:
        return "has pixels that are transparent"
    if image.mode not in ("RGB", *_CONVERTED, *_WITH_ALPHA):
        return f"has the colours {image.mode}"
    return None


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in _WITH_ALPHA or "transparency" in image.info


def _nothing(problem: str) -> Reading:
    return Reading(problems=[problem])


def _one_line(error: Exception) -> str:
    """Says what an error says, without its end."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
