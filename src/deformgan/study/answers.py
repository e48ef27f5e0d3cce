"""Answers of a study, read from its database, even while it is being served."""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deformgan.errors import InputError, shortened
from deformgan.files import read_back


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        participant: Number of the participant, from 1; ids stay in the database.
        position: Position of the item in the participant's sequence, from 0.
        picture: File name of the image.
        kind: "real", "generated" or "preference".
        left: System shown on the left; None for a single image.
        practice: Whether it is a practice item, which does not count.
        answer: "real", "fake", "a" or "b".
        milliseconds: Response time.
    """

    participant: int
    position: int
    picture: str
    kind: str
    left: str | None
    practice: bool
    answer: str
    milliseconds: float


@dataclass(frozen=True)
class Answers:
    """All answers of a study.

    Attributes:
        facts: Mode, title, seed and names of the systems.
        items: Number of items per participant.
        finished: Whether each participant has answered all items.
        given: All answers, by participant and position.
    """

    facts: dict[str, str]
    items: dict[int, int]
    finished: dict[int, bool]
    given: list[Answer]


def read_answers(path: Path) -> Answers:
    """Read a study's database without modifying it.

    Raises:
        InputError: If the file is missing or not a study's database.
    """
    if not path.is_file():
        raise InputError(f"The database {path} does not exist; `deformgan study serve` creates it.")
    try:
        base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            base.execute("BEGIN")  # a consistent snapshot of a running study
            facts = dict(base.execute("SELECT key, value FROM study").fetchall())
            people = base.execute(
                "SELECT number, finished IS NOT NULL, (SELECT COUNT(*) FROM item "
                "WHERE item.participant = participant.id) FROM participant ORDER BY number"
            ).fetchall()
            rows = base.execute(
                "SELECT number, item.position, picture, kind, left, practice, answer, milliseconds "
                "FROM answer JOIN item ON item.participant = answer.participant AND item.position "
                "= answer.position JOIN participant ON participant.id = answer.participant "
                "ORDER BY number, item.position"
            ).fetchall()
        finally:
            base.close()
    # A damaged schema may not even be text.
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a study's database: {shortened(error)}.") from None
    with read_back(path, "use a copy of it"):
        _check(facts, people, rows)
    return Answers(
        facts=facts,
        items={number: items for number, _, items in people},
        finished={number: bool(finished) for number, finished, _ in people},
        given=[Answer(*row[:5], bool(row[5]), *row[6:]) for row in rows],
    )


def _check(facts: dict[Any, Any], people: Sequence[Any], rows: Sequence[Any]) -> None:
    """Raise an error if a damaged database has values that no study writes."""
    numbers = {number for number, _, _ in people}
    texts = [*facts, *facts.values()]
    for number, position, picture, kind, left, practice, answer, milliseconds in rows:
        texts += [picture, "" if left is None else left]
        answers = ("a", "b") if kind == "preference" else ("real", "fake")
        if kind not in ("real", "generated", "preference") or answer not in answers:
            raise ValueError(f"the answer {answer!r} to a question of the kind {kind!r}")
        if number not in numbers or type(position) is not int or practice not in (0, 1):
            raise ValueError(f"item {position!r} of participant {number!r}")
        if not math.isfinite(milliseconds):
            raise ValueError(f"an answer after {milliseconds!r} ms")
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a text is not one")
    if not all(type(number) is int for number in numbers):
        raise ValueError("the number of a participant is not one")
