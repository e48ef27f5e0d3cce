"""Store: participants and answers in one SQLite file, durable across power loss."""

import re
import sqlite3
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from deformgan.errors import InputError, shortened
from deformgan.study.config import Study, chosen_pictures, study_sum

# Requests wait for one another, so one that finds the database locked must not wait for long.
_BUSY_SECONDS = 1.0
_IDENTITY = re.compile("[0-9a-f]{32}")

_TABLES = """
CREATE TABLE IF NOT EXISTS study (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS participant (
    id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, started TEXT NOT NULL, finished TEXT,
    consent TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS item (
    participant TEXT NOT NULL, position INTEGER NOT NULL, picture TEXT NOT NULL,
    kind TEXT NOT NULL, left TEXT, practice INTEGER NOT NULL,
    PRIMARY KEY (participant, position));
CREATE TABLE IF NOT EXISTS answer (
    participant TEXT NOT NULL, position INTEGER NOT NULL, answer TEXT NOT NULL,
    milliseconds REAL NOT NULL, given TEXT NOT NULL,
    PRIMARY KEY (participant, position));
"""


class UnknownParticipantError(Exception):
    """The participant or item does not exist."""


class StudyFullError(Exception):
    """The study has as many participants as it allows."""


class OutOfTurnError(Exception):
    """The answer is not to the next item, or differs from the stored one."""


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        position: Position in the participant's sequence, from 0.
        picture: File name of the image.
        kind: "real", "generated" or "preference".
        left: System shown on the left, "a" or "b"; None for a single image.
        practice: Whether it is a practice item, which does not count.
    """

    position: int
    picture: str
    kind: str
    left: str | None
    practice: bool

    def answers(self) -> tuple[str, ...]:
        """Return the allowed answers."""
        return ("a", "b") if self.kind == "preference" else ("real", "fake")


class Store:
    """Thread-safe database of one study.

    Every answer is on disk before the call that stores it returns (write-ahead log, synced at every
    commit).
    """

    def __init__(self, study: Study):
        """Open or create the study's database.

        Raises:
            InputError: If the file belongs to another study or cannot be written.
        """
        self.study = study
        self.pictures = chosen_pictures(study)
        self._lock = threading.Lock()
        path = study.database
        try:
            self._base = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=_BUSY_SECONDS
            )
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(_TABLES)
            self._claim(path)
        except sqlite3.Error as error:
            raise InputError(f"The database {path} cannot be used: {shortened(error)}.") from None

    def _claim(self, path: Path) -> None:
        facts = {
            "mode": self.study.mode,
            "title": self.study.title,
            "seed": str(self.study.seed),
            "practice": str(self.study.practice),
            "seconds": str(self.study.seconds),
            "sha256": study_sum(self.study, self.pictures),
        }
        for name in ("a", "b", "generated"):
            if (pictures := getattr(self.study, name)) is not None:
                facts[name] = pictures.name
        known = dict(self._base.execute("SELECT key, value FROM study").fetchall())
        if known and known["sha256"] != facts["sha256"]:
            raise InputError(
                f"{path} has answers to a different study (pictures, order or times); choose "
                "another database."
            )
        # In one transaction: a partly written table would keep the study from starting again.
        self._base.execute("BEGIN IMMEDIATE")
        self._base.executemany("INSERT OR REPLACE INTO study VALUES (?, ?)", facts.items())
        self._base.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._base.close()

    def join(self) -> str:
        """Add a participant, with an order of items drawn from the seed and their number.

        Returns:
            Id of the participant.

        Raises:
            StudyFullError: If the study has as many participants as it allows.
        """
        identity = uuid.uuid4().hex
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                (count,) = self._base.execute("SELECT COUNT(*) FROM participant").fetchone()
                if count >= self.study.participants:
                    raise StudyFullError(f"the study has its {count} participants")
                number = count + 1
                self._base.execute(
                    "INSERT INTO participant VALUES (?, ?, ?, NULL, ?)",
                    (identity, number, _now(), self.study.consent),
                )
                self._base.executemany(
                    "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        (identity, i.position, i.picture, i.kind, i.left, int(i.practice))
                        for i in order_of_items(self.study, self.pictures, number)
                    ],
                )
                self._base.execute("COMMIT")
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
        return identity

    def item(self, participant: str, position: int) -> Item:
        """Return an item of a participant."""
        _check_identity(participant)
        with self._lock:
            row = self._base.execute(
                "SELECT position, picture, kind, left, practice FROM item "
                "WHERE participant = ? AND position = ?",
                (participant, position),
            ).fetchone()
        if row is None:
            raise UnknownParticipantError(f"no item {position} of participant {participant!r}")
        return Item(row[0], row[1], row[2], row[3], bool(row[4]))

    def done(self, participant: str) -> tuple[int, int]:
        """Return a participant's numbers of answers (the next position) and of items."""
        _check_identity(participant)
        with self._lock:
            return self._done(participant)

    def _done(self, participant: str) -> tuple[int, int]:
        count, total = (
            self._base.execute(
                f"SELECT COUNT(*) FROM {table} WHERE participant = ?",
                (participant,),
            ).fetchone()[0]
            for table in ("answer", "item")
        )
        if not total:
            raise UnknownParticipantError(f"no participant has the id {participant!r}")
        return count, total

    def answer(self, participant: str, position: int, answer: str, milliseconds: float) -> None:
        """Store an answer; repeating it is allowed, since the response may have been lost.

        Raises:
            OutOfTurnError: If the item is not next, or already has a different answer.
        """
        _check_identity(participant)
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                count, total = self._done(participant)
                if position < count:
                    (known,) = self._base.execute(
                        "SELECT answer FROM answer WHERE participant = ? AND position = ?",
                        (participant, position),
                    ).fetchone()
                    if known != answer:
                        raise OutOfTurnError(f"item {position} was already answered with {known!r}")
                elif position > count or position >= total:
                    raise OutOfTurnError(f"item {count} is next, not {position}")
                else:
                    self._base.execute(
                        "INSERT INTO answer VALUES (?, ?, ?, ?, ?)",
                        (participant, position, answer, milliseconds, _now()),
                    )
                    if count + 1 == total:
                        self._base.execute(
                            "UPDATE participant SET finished = ? WHERE id = ?",
                            (_now(), participant),
                        )
                self._base.execute("COMMIT")
            except BaseException:
                self._base.execute("ROLLBACK")
                raise


def order_of_items(study: Study, pictures: dict[str, list[str]], number: int) -> list[Item]:
    """Draw the order of items for one participant.

    Practice items have the kinds in the proportion of the whole study, so that all participants
    have the same numbers of real and generated images among the items that count.

    Args:
        study: Study with its seed and number of practice items.
        pictures: Image names by kind.
        number: Number of the participant, from 1.
    """
    random = np.random.default_rng([study.seed, number])
    total = sum(map(len, pictures.values()))
    parts: tuple[list[tuple[str, str]], ...] = ([], [])  # practice items, and items that count
    left_over = study.practice
    for kind, names in pictures.items():
        share = min(round(study.practice * len(names) / total), left_over)
        if kind == list(pictures)[-1]:
            share = left_over
        left_over -= share
        drawn = [(kind, names[row]) for row in random.permutation(len(names)).tolist()]
        parts[0].extend(drawn[:share])
        parts[1].extend(drawn[share:])
    mixed = [part[row] for part in parts for row in random.permutation(len(part)).tolist()]
    items = []
    for position, (kind, name) in enumerate(mixed):
        left = ("a", "b")[int(random.integers(2))] if kind == "preference" else None
        items.append(Item(position, name, kind, left, position < study.practice))
    return items


def _check_identity(participant: str) -> None:
    """Refuse what `join` never returns, such as text that SQLite cannot store."""
    if not _IDENTITY.fullmatch(participant):
        raise UnknownParticipantError(f"no participant has the id {participant[:40]!a}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
