"""Answers of a study, read from its database, even while it is being served."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from deformgan.errors import InputError


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
    except sqlite3.Error as error:
        raise InputError(f"{path} is not a study's database: {error}.") from None
    return Answers(
        facts=facts,
        items={number: items for number, _, items in people},
        finished={number: bool(finished) for number, finished, _ in people},
        given=[Answer(*row[:5], bool(row[5]), *row[6:]) for row in rows],
    )
