"""Outputs are checked before the work and never left half written."""

import json

import pytest

from deformgan.cli.outputs import output_dir, output_file, write_json, written_beside
from deformgan.errors import InputError


def test_a_file_may_be_new_or_replace_one(tmp_path):
    out = tmp_path / "out.png"
    assert output_file(out) == out
    assert not out.exists()
    out.write_text("old")
    assert output_file(out) == out
    assert out.read_text() == "old"


def test_a_file_needs_its_folder_and_the_message_names_both(tmp_path):
    out = tmp_path / "missing" / "out.png"
    with pytest.raises(InputError, match=r"missing/out\.png: the folder .*missing does not exist"):
        output_file(out)
    assert not out.parent.exists()


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(InputError, match="it is a folder"):
        output_file(tmp_path)


def test_a_folder_is_created_with_its_parents_and_kept_if_it_is_there(tmp_path):
    folder = output_dir(tmp_path / "a" / "b")
    (folder / "kept").touch()
    assert output_dir(folder) == folder
    assert (folder / "kept").exists()


@pytest.mark.parametrize("name", ["taken", "taken/below"])
def test_a_folder_cannot_take_the_place_of_a_file(tmp_path, name):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="a file is in its place"):
        output_dir(tmp_path / name)


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    out = tmp_path / "out.png"
    with written_beside(out) as unfinished:
        unfinished.write_text("new")
        assert unfinished.parent == out.parent
        assert unfinished.suffix == out.suffix
        assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    assert out.read_text() == "new"


def test_after_an_error_the_old_file_stays_and_nothing_else(tmp_path):
    out = tmp_path / "out.png"
    out.write_text("old")

    def break_off() -> None:
        with written_beside(out) as unfinished:
            unfinished.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    assert out.read_text() == "old"


def test_a_report_survives_the_round_trip_with_null_for_what_is_not_finite(tmp_path):
    report = tmp_path / "report.json"
    write_json(report, {"worst": float("nan"), "cases": [1, float("inf")], "ratio": (0.5, "a")})
    strict = json.loads(report.read_text(), parse_constant=pytest.fail)
    assert strict == {"worst": None, "cases": [1, None], "ratio": [0.5, "a"]}
