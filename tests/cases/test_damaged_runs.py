"""Damaged files of a run that goes on are one line, whatever is in them."""

import json
import sqlite3
from dataclasses import asdict

import numpy as np
import pytest
import torch

from deformgan.cli.detection import _open_journal
from deformgan.cli.generate_folder import _record
from deformgan.errors import InputError
from deformgan.evaluation.journal import Journal
from deformgan.files import append_line, read_back
from deformgan.reid.augment_report import AugmentReport, Tally
from deformgan.reid.experiment_runs import PlannedRun, execute_runs, read_results
from deformgan.study.answers import read_answers
from deformgan.training.records import Records

DAMAGED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"3",
    b'"x"',
    b'{"a": 1}',
    b"[" * 5000,
    b"9" * 5000,
    b"\xff\xfe",
    b'{"counts": {"asked": "many"}, "rejected_by": {}, "scores": {}, "seconds": {}}',
    b'{"counts": {"asked": NaN}, "rejected_by": {}, "scores": {}, "seconds": {}}',
    b'{"run": {}, "metrics": {}, "photos": {}, "queries": {}}',
]
RUN = PlannedRun("light-ide", "real", 1, "none", 100, None, True, 0)

damaged = pytest.mark.parametrize("content", DAMAGED)


def is_one_line(error, path):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 500
    assert path.name in text


@damaged
def test_a_result_of_an_experiment(tmp_path, content):
    path = tmp_path / "runs" / RUN.name / "result.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged") as error:
        read_results([RUN], tmp_path)
    is_one_line(error, path)


@pytest.mark.parametrize(
    "change",
    [
        {"run": {**asdict(RUN), "seed": 1}},
        {"metrics": {"map": None}},
        {"metrics": {"map": float("nan")}},
        {"queries": {"person": "1 2", "map": "0.5 1", "rank1": "1", "minp": "1 1"}},
        {"queries": {"person": "1 2", "map": "0.5 x", "rank1": "1 1", "minp": "1 1"}},
        {"photos": {"real": "eight"}},
    ],
)
def test_a_result_with_other_values(tmp_path, change):
    queries = {"person": "1 2", "map": "0.5 1", "rank1": "1 1", "minp": "1 1"}
    result = {
        "run": asdict(RUN),
        "metrics": {"map": 0.5},
        "photos": {"real": 8},
        "queries": queries,
    }
    path = tmp_path / "runs" / RUN.name / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(result))
    assert read_results([RUN], tmp_path) == {RUN: result}
    path.write_text(json.dumps(result | change))
    with pytest.raises(InputError, match="remove it to run it again"):
        read_results([RUN], tmp_path)


@damaged
def test_the_settings_of_an_experiment(tmp_path, content):
    path = tmp_path / "runs" / RUN.name / "settings.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        execute_runs([RUN], tmp_path, lambda _: {"steps": 3}, lambda *_: {})
    assert RUN.name in str(error.value)
    assert "\n" not in str(error.value)


@damaged
@pytest.mark.parametrize("read", [Tally.load, AugmentReport.load])
def test_a_tally_and_a_report_of_an_augmentation(tmp_path, content, read):
    path = tmp_path / "tally-000000.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged") as error:
        read(path)
    is_one_line(error, path)


@damaged
def test_the_metrics_of_a_run(tmp_path, content):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + (content or b"x") + b"\n")
    with pytest.raises(InputError, match="is damaged") as error:
        Records(tmp_path, 5)
    is_one_line(error, path)


@damaged
def test_the_record_of_a_folder(tmp_path, content):
    (tmp_path / "generate.json").write_bytes(content)
    with pytest.raises(InputError) as error:
        _record(tmp_path, {"weights": "pedestrian"})
    assert "\n" not in str(error.value)


@damaged
def test_the_journal_of_poses(tmp_path, content):
    path = tmp_path / ".p.csv.journal"
    path.write_bytes(b'{"person": 0}\n' + (content or b"x") + b"\n")
    with pytest.raises(InputError, match="is damaged") as error, _open_journal(path, {"person": 0}):
        pass
    is_one_line(error, path)


@damaged
def test_the_journal_of_an_evaluation(tmp_path, content):
    journal = Journal(tmp_path / "j", {"seed": 0})
    journal[0] = {"a": np.arange(3)}
    assert journal[0]["a"].tolist() == [0, 1, 2]
    path = tmp_path / "j" / "000000.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged") as error:
        list(journal.column("a", 1))
    is_one_line(error, path)


def test_a_cut_journal_of_an_evaluation(tmp_path):
    journal = Journal(tmp_path / "j", {"seed": 0})
    journal[0] = {"a": np.arange(300)}
    path = tmp_path / "j" / "000000.npz"
    whole = path.read_bytes()
    for length in range(0, len(whole), 101):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="is damaged"):
            journal[0]


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("answer", "answer", "'perhaps'"),
        ("answer", "answer", "x'ff'"),
        ("answer", "milliseconds", "'soon'"),
        ("answer", "milliseconds", "9e999"),
        ("item", "kind", "'other'"),
        ("item", "picture", "x'ff'"),
        ("item", "practice", "7"),
        ("participant", "number", "'first'"),
        ("study", "value", "x'00'"),
    ],
)
def test_the_database_of_a_study(tmp_path, table, column, value):
    path = tmp_path / "s.sqlite"
    with sqlite3.connect(path) as base:
        base.executescript("""
            CREATE TABLE study (key TEXT, value TEXT);
            CREATE TABLE participant (id TEXT, number INTEGER, finished TEXT);
            CREATE TABLE item (participant TEXT, position INTEGER, picture TEXT, kind TEXT,
                left TEXT, practice INTEGER);
            CREATE TABLE answer (participant TEXT, position INTEGER, answer TEXT,
                milliseconds REAL);
            INSERT INTO study VALUES ('mode', 'real-or-fake');
            INSERT INTO participant VALUES ('p', 1, NULL);
            INSERT INTO item VALUES ('p', 0, 'a.png', 'real', NULL, 0);
            INSERT INTO answer VALUES ('p', 0, 'fake', 900);
        """)
    assert len(read_answers(path).given) == 1
    with sqlite3.connect(path) as base:
        base.execute(f"UPDATE {table} SET {column} = {value}")
    with pytest.raises(InputError, match="is damaged") as error:
        read_answers(path)
    is_one_line(error, path)


class Nothing:
    """A learner without state."""

    def state(self):
        """Nothing."""
        return {}

    def load_state(self, state):
        """What torch raises for other tensors."""
        raise RuntimeError("Error(s) in loading state_dict:\n size mismatch")


@pytest.mark.parametrize(
    "state",
    [{}, [], {"step": 1}, {"step": 1, "config": 3, "data": "[]"}, {"config": {}, "data": "{"}, 7],
)
def test_a_checkpoint_of_something_else(tmp_path, state):
    from deformgan.recipes import RECIPES
    from deformgan.training.checkpoints import load_checkpoint

    path = tmp_path / "0000001.pt"
    torch.save(state, path)
    with pytest.raises(InputError, match="remove it to go on from the one before") as error:
        load_checkpoint(path, Nothing(), RECIPES["quickstart"](), [])
    is_one_line(error, path)


@pytest.mark.parametrize("state", [{}, [], {"config": 3}, {"config": {}, "discriminator": 5}, 7])
def test_a_run_to_start_from_with_a_damaged_checkpoint(tmp_path, state):
    from deformgan.recipes import RECIPES
    from deformgan.training.checkpoints import last_discriminator

    path = tmp_path / "checkpoints" / "0000001.pt"
    path.parent.mkdir()
    torch.save(state, path)
    with pytest.raises(InputError, match="remove it to go on from the one before") as error:
        last_discriminator(tmp_path, RECIPES["quickstart"]())
    is_one_line(error, path)


def test_a_file_is_read_back_or_named(tmp_path):
    with read_back(tmp_path / "a.json"):
        pass
    said = r"a\.json is damaged \(KeyError\); remove it\."
    with pytest.raises(InputError, match=said), read_back(tmp_path / "a.json"):
        raise KeyError
    with pytest.raises(FileNotFoundError), read_back(tmp_path / "a.json"):
        (tmp_path / "a.json").read_text()
    with pytest.raises(InputError, match=r"^x$"), read_back(tmp_path / "a.json"):
        raise InputError("x")


def test_lines_are_appended_whole_or_not_at_all(largest_file, tmp_path):
    path = tmp_path / "m.jsonl"
    append_line(path, "one")
    with largest_file(9), pytest.raises(OSError, match="too large"):
        append_line(path, "longer than that")
    append_line(path, "two")
    assert path.read_text() == "one\ntwo\n"
    with largest_file(1), pytest.raises(OSError, match="too large"):
        append_line(tmp_path / "new.jsonl", "one")
    assert not (tmp_path / "new.jsonl").exists()
