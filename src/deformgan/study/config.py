"""Study: what is shown to whom, read from a TOML file."""

import hashlib
import tomllib
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deformgan.errors import InputError
from deformgan.framing import PHOTO_SUFFIXES, read_photo

Mode = Literal["real-or-fake", "preference"]
COUNT, PRACTICE, SECONDS = 55, 10, 1.0  # the paper's
_CONSENT = (
    "You will see pictures of people, one after the other, and say of each what you think of it. "
    "What is kept: your answers, how long you took, and the time. You can stop at any time."
)


class Pictures(BaseModel):
    """A folder of pictures.

    Attributes:
        folder: Where they are, relative to the study's file.
        name: What to call them in the report.
        count: How many are shown, drawn from the folder by the study's seed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    name: str = ""
    count: int = Field(COUNT, ge=1)


class Study(BaseModel):
    """A human study.

    Attributes:
        title: What participants see above it.
        mode: "real-or-fake": one picture at a time; "preference": two systems side by side.
        consent: What participants agree to before it begins.
        seed: Of which pictures are drawn and, with each participant's number, of their order.
        practice: How many items at the beginning do not count.
        seconds: How long a picture is shown; 0 until the answer.
        database: Where answers are kept (SQLite), relative to the study's file.
        real: Of "real-or-fake".
        generated: Of "real-or-fake".
        a: One system of "preference"; its pictures and those of `b` go together by name.
        b: The other.
        reference: Of "preference": a folder of pictures shown above both, by the same names.
        count: Of "preference": how many pairs are shown.

    Source:
        Section 5: 55 real and 55 generated pictures, a second each, the first 10 to practise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = "Real or generated?"
    mode: Mode = "real-or-fake"
    consent: str = _CONSENT
    seed: int = Field(0, ge=0)
    practice: int = Field(PRACTICE, ge=0)
    seconds: float = Field(SECONDS, ge=0, le=60)
    database: Path = Path("study.sqlite")
    real: Pictures | None = None
    generated: Pictures | None = None
    a: Pictures | None = None
    b: Pictures | None = None
    reference: Path | None = None
    count: int = Field(COUNT, ge=1)


def read_study(path: Path) -> Study:
    """Reads a study's file; folders in it become absolute.

    Raises:
        InputError: If something is wrong with it.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        study = Study.model_validate(content)
    except OSError as error:
        raise InputError(f"The study {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        if first["type"] == "extra_forbidden":
            known = Pictures if len(first["loc"]) > 1 else Study
            what = f"unknown entry {place!r}; known are {', '.join(known.model_fields)}"
        else:
            what = f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}, got {first['input']!r}"
        raise InputError(f"{path}: {what}.") from None
    wanted = ("real", "generated") if study.mode == "real-or-fake" else ("a", "b")
    others = {"real", "generated", "a", "b"} - set(wanted)
    for name in wanted:
        if getattr(study, name) is None:
            raise InputError(f"{path}: mode {study.mode!r} needs a table [{name}] with a folder.")
    for name in sorted(others):
        if getattr(study, name) is not None:
            raise InputError(f"{path}: [{name}] is not of mode {study.mode!r}.")
    home = path.resolve().parent
    changes: dict[str, object] = {"database": home / study.database}
    for name in wanted:
        pictures = getattr(study, name)
        changes[name] = pictures.model_copy(
            update={"folder": home / pictures.folder, "name": pictures.name or name}
        )
    if study.reference is not None:
        changes["reference"] = home / study.reference
    return study.model_copy(update=changes)


def chosen_pictures(study: Study) -> dict[str, list[str]]:
    """Draws which pictures are shown: names by kind, "real" and "generated", or "preference".

    Raises:
        InputError: If a folder is missing or has too few pictures.
    """
    random = np.random.default_rng([study.seed, 0])
    if study.mode == "real-or-fake":
        assert study.real is not None
        assert study.generated is not None
        found = {
            "real": _draw(random, names_in(study.real.folder), study.real.count, "real"),
            "generated": _draw(
                random, names_in(study.generated.folder), study.generated.count, "generated"
            ),
        }
    else:
        assert study.a is not None
        assert study.b is not None
        names = names_in(study.a.folder)
        for folder in filter(None, (study.b.folder, study.reference)):
            there = set(names_in(folder))
            names = [name for name in names if name in there]
        found = {"preference": _draw(random, names, study.count, "both")}
    total = sum(map(len, found.values()))
    if study.practice >= total:
        raise InputError(f"practice is {study.practice}, but only {total} items are shown.")
    return found


def names_in(folder: Path) -> list[str]:
    """Names the pictures of a folder, in order."""
    if not folder.is_dir():
        raise InputError(f"The folder of pictures {folder} does not exist.")
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)


def _draw(random: np.random.Generator, names: list[str], count: int, what: str) -> list[str]:
    if len(names) < count:
        raise InputError(
            f"{len(names)} pictures ({what}) are there, {count} are asked for; set count lower."
        )
    return [names[row] for row in sorted(random.choice(len(names), count, replace=False).tolist())]


def study_sum(study: Study, pictures: dict[str, list[str]]) -> str:
    """Gives a SHA-256 over all that answers depend on: questions, pictures, order.

    Raises:
        InputError: If a picture cannot be read, before anybody waits for it.
    """
    digest = hashlib.sha256(
        repr((study.mode, study.seed, study.practice, study.seconds, pictures)).encode()
    )
    for kind, names in pictures.items():
        for name in names:
            for path in picture_files(study, kind, name).values():
                read_photo(path)
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def picture_files(study: Study, kind: str, name: str) -> dict[str, Path]:
    """Finds the files of an item: "single", or "a", "b" and, where there is one, "reference"."""
    if kind == "preference":
        assert study.a is not None
        assert study.b is not None
        files = {"a": study.a.folder / name, "b": study.b.folder / name}
        return files | ({} if study.reference is None else {"reference": study.reference / name})
    pictures = study.real if kind == "real" else study.generated
    assert pictures is not None
    return {"single": pictures.folder / name}
