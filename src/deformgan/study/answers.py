"""Answers: what was said in a study, read from its database, also while it is being served."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from deformgan.errors import InputError


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        participant: Number, from 1; ids stay in the database.
        position: Of the item among the participant's, from 0.
        picture: File name.
        kind: "real", "generated" or "preference".
        left: Which system was on the left; None where there was one picture.
        practice: Whether it does not count.
        answer: "real", "fake", "a" or "b".
        milliseconds: From the picture to the answer.
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
    """All of a study.

    Attributes:
        facts: Of the study: mode, title, seed, names of the systems.
        items: How many each participant was to answer.
        finished: Whether they did, by participant.
        given: Every answer, by participant and position.
    """

    facts: dict[str, str]
    items: dict[int, int]
    finished: dict[int, bool]
    given: list[Answer]


def read_answers(path: Path) -> Answers:
    """Reads a study's database, and changes nothing in it.

    Raises:
        InputError: If it is none.
    """
    if not path.is_file():
        raise InputError(f"There is no database {path}; `deformgan study serve` makes it.")
    try:
        base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            base.execute("BEGIN")  # one moment of a study that goes on
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
    except sqlite3.Error as error:
        raise InputError(f"{path} is no study's database: {error}.") from None
    return Answers(
        facts=facts,
        items={number: items for number, _, items in people},
        finished={number: bool(finished) for number, finished, _ in people},
        given=[Answer(*row[:5], bool(row[5]), *row[6:]) for row in rows],
    )
