"""The report of a study, against a count by hand."""

import csv
import json
import sqlite3
from contextlib import closing

import pytest

from deformgan.cli.main import main
from deformgan.stats.proportion import wilson_interval
from deformgan.study.config import read_study
from deformgan.study.store import Store


def take_part(store, says, stop=None):
    """Answers as `says(kind, left, position)` tells; gives what was answered, item by item."""
    who = store.join()
    given = []
    for position in range(store.done(who)[1] if stop is None else stop):
        item = store.item(who, position)
        answer = says(item.kind, item.left, position)
        store.answer(who, position, answer, 1000.0 + position)
        given.append((item, answer))
    return given


def run(study, out, *words):
    assert main(["study", "report", str(study), "--out", str(out), *words]) == 0
    return json.loads((out / "report.json").read_text())


def test_shares_are_those_of_a_count_by_hand(make_study, tmp_path):
    path = make_study()
    store = Store(read_study(path))
    everything = [
        *take_part(store, lambda kind, _, n: "fake" if n % 3 else "real"),
        *take_part(store, lambda kind, _, n: {"real": "real"}.get(kind, "fake")),
    ]
    part = take_part(store, lambda kind, _, n: "fake", stop=5)
    report = run(path, tmp_path / "report", "--json", str(tmp_path / "copy.json"))
    counted = [(item, said) for item, said in everything if not item.practice]
    real = [said for item, said in counted if item.kind == "real"]
    fake = [said for item, said in counted if item.kind == "generated"]
    r2g, g2r = report["shares"]["r2g"], report["shares"]["g2r"]
    assert (r2g["successes"], r2g["answers"]) == (real.count("fake"), len(real))
    assert (g2r["successes"], g2r["answers"]) == (fake.count("real"), len(fake))
    assert r2g["value"] == real.count("fake") / len(real)
    assert r2g["wilson95"] == list(wilson_interval(real.count("fake"), len(real)))
    assert r2g["people95"][0] <= r2g["value"] <= r2g["people95"][1]
    assert report["counted"] == {
        "participants": 2,
        "unfinished_left_out": 1,
        "answers": 20,
        "practice_left_out": 6,
        "pictures": len({(item.kind, item.picture) for item, _ in counted}),
    }
    assert json.loads((tmp_path / "copy.json").read_text()) == report
    second = report["participants"][1]
    assert (second["r2g"], second["g2r"], second["finished"]) == (0.0, 0.0, True)
    assert second["median_milliseconds"] == 1006.5
    rows = list(csv.DictReader((tmp_path / "report" / "answers.csv").open()))
    assert [row["answer"] for row in rows] == [said for _, said in [*everything, *part]]
    text = (tmp_path / "report" / "report.md").read_text()
    assert f"{100 * r2g['value']:.1f} %" in text
    assert "22.67 %" in text  # the paper's beside it
    with_them = run(path, tmp_path / "more", "--unfinished")
    assert with_them["counted"]["participants"] == 3
    assert with_them["counted"]["answers"] == 23
    for name in ("shares.png", "participants.png"):
        assert (tmp_path / "report" / name).read_bytes().startswith(b"\x89PNG")


def test_preference_counts_systems_not_sides(make_study, tmp_path):
    path = make_study("preference", count=9, practice=1)
    store = Store(read_study(path))
    take_part(store, lambda kind, left, n: "a" if n < 7 else "b")
    given = take_part(store, lambda kind, left, n: left)  # always the left one
    report = run(path, tmp_path / "report")
    lefts = sum(said == "a" for item, said in given if not item.practice)
    share = report["shares"]["preferred"]
    assert (share["successes"], share["answers"]) == (6 + lefts, 16)
    assert share["what"] == "ours preferred to theirs"
    assert report["left"]["successes"] >= 8
    assert 0 < report["sign_test"] <= 1
    assert "paper" not in report


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (0, "no participant has got past the practice items."),
        (5, "1 participants have not finished; --unfinished includes them."),
    ],
)
def test_a_study_without_answers_is_one_line(make_study, tmp_path, capsys, answers, said):
    path = make_study()
    store = Store(read_study(path))
    if answers:
        take_part(store, lambda *_: "real", stop=answers)
    assert main(["study", "report", str(path), "--out", str(tmp_path / "report")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "report").exists()


def test_a_file_that_is_no_database_is_one_line(tmp_path, capsys):
    other = tmp_path / "notes.sqlite"
    other.write_text("not a database, but long enough to be looked at as one" * 30)
    for path in (other, tmp_path / "gone.sqlite"):
        assert main(["study", "report", str(path), "--out", str(tmp_path / "report")]) == 2
    error = capsys.readouterr().err
    assert "is not a study's database" in error
    assert "gone.sqlite does not exist" in error


def test_a_database_whose_schema_is_not_text_is_one_line(tmp_path, capsys):
    path = tmp_path / "damaged.sqlite"
    with closing(sqlite3.connect(path)) as base:
        base.execute("CREATE TABLE study (key TEXT, value TEXT)")
    # SQLite quotes the damaged statement, which Python cannot decode.
    path.write_bytes(path.read_bytes().replace(b"TABLE study (key", b"TABLE study \xffkey"))
    assert main(["study", "report", str(path), "--out", str(tmp_path / "report")]) == 2
    error = capsys.readouterr().err
    assert "damaged.sqlite is not a study's database" in error
    assert error.count("\n") == 1
