"""Study configuration, read from a TOML file."""

import hashlib
import tomllib
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deformgan.errors import InputError, shortened
from deformgan.photo_file import list_photos, read_photo

Mode = Literal["real-or-fake", "preference"]
COUNT, PRACTICE, SECONDS = 55, 10, 1.0  # the paper's values
PARTICIPANTS = 1_000
_CONSENT = (
    "You will see pictures of people, one after the other, and give your opinion on each. "
    "We store your answers, your response times and the time of each answer. You can stop at any "
    "time."
)


class Pictures(BaseModel):
    """A folder of images.

    Attributes:
        folder: Path of the folder, relative to the study file.
        name: Name in the report.
        count: Number of images to show, sampled by the study's seed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    name: str = ""
    count: int = Field(COUNT, ge=1)


class Study(BaseModel):
    """Configuration of a human study.

    Attributes:
        title: Title shown to participants.
        mode: "real-or-fake": one image at a time; "preference": two systems side by side.
        consent: Text that participants agree to before they start.
        seed: Random seed for the choice of images and, with the participant's number, their order.
        practice: Number of practice items at the start, which do not count.
        seconds: Display time of an image; 0 shows it until the answer.
        participants: Largest number of participants; further ones are refused.
        database: SQLite file of the answers, relative to the study file.
        real: Real images, for "real-or-fake".
        generated: Generated images, for "real-or-fake".
        a: First system, for "preference"; its images are paired with those of `b` by name.
        b: Second system, for "preference".
        reference: For "preference": folder of images shown above both, paired by name.
        count: For "preference": number of pairs to show.

    Source:
        Section 5: 55 real and 55 generated images, one second each, the first 10 for practice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = "Real or generated?"
    mode: Mode = "real-or-fake"
    consent: str = _CONSENT
    seed: int = Field(0, ge=0)
    practice: int = Field(PRACTICE, ge=0)
    seconds: float = Field(SECONDS, ge=0, le=60)
    participants: int = Field(PARTICIPANTS, ge=1)
    database: Path = Path("study.sqlite")
    real: Pictures | None = None
    generated: Pictures | None = None
    a: Pictures | None = None
    b: Pictures | None = None
    reference: Path | None = None
    count: int = Field(COUNT, ge=1)


def read_study(path: Path) -> Study:
    """Read a study file, making its paths absolute.

    Raises:
        InputError: If the file is invalid.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        study = Study.model_validate(content)
    except OSError as error:
        raise InputError(f"The study {path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        if first["type"] == "extra_forbidden":
            known = Pictures if len(first["loc"]) > 1 else Study
            what = f"unknown entry {place!r}; known are {', '.join(known.model_fields)}"
        else:
            what = f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}, got {first['input']!r}"
        raise InputError(f"{path}: {shortened(what)}.") from None
    except (ValueError, RecursionError) as error:  # also numbers too long, lists too deep
        raise InputError(f"{path} is not TOML: {shortened(error)}.") from None
    wanted = ("real", "generated") if study.mode == "real-or-fake" else ("a", "b")
    others = {"real", "generated", "a", "b"} - set(wanted)
    for name in wanted:
        if getattr(study, name) is None:
            raise InputError(f"{path}: mode {study.mode!r} needs a table [{name}] with a folder.")
    for name in sorted(others):
        if getattr(study, name) is not None:
            raise InputError(f"{path}: [{name}] is not allowed in mode {study.mode!r}.")
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
    """Sample the images to show: names by kind, "real" and "generated", or "preference".

    Raises:
        InputError: If a folder is missing or has too few images.
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
        raise InputError(f"practice must be below the {total} items shown, got {study.practice}.")
    return found


def names_in(folder: Path) -> list[str]:
    """Return the sorted image names of a folder."""
    if not folder.is_dir():
        raise InputError(f"The folder of pictures {folder} does not exist.")
    return sorted(path.name for path in list_photos(folder)[0])


def _draw(random: np.random.Generator, names: list[str], count: int, what: str) -> list[str]:
    if len(names) < count:
        raise InputError(
            f"Only {len(names)} pictures ({what}) for a count of {count}; lower count."
        )
    return [names[row] for row in sorted(random.choice(len(names), count, replace=False).tolist())]


def study_sum(study: Study, pictures: dict[str, list[str]]) -> str:
    """Return a SHA-256 of everything the answers depend on: questions, images and order.

    Raises:
        InputError: If an image cannot be read, before the study starts.
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
    """Return an item's files: "single", or "a", "b" and optionally "reference"."""
    if kind == "preference":
        assert study.a is not None
        assert study.b is not None
        files = {"a": study.a.folder / name, "b": study.b.folder / name}
        return files | ({} if study.reference is None else {"reference": study.reference / name})
    pictures = study.real if kind == "real" else study.generated
    assert pictures is not None
    return {"single": pictures.folder / name}
