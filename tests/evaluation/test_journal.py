"""A journal keeps what was written whole, and nothing of another evaluation."""

import numpy as np
import pytest

from deformgan.errors import InputError
from deformgan.evaluation.journal import Journal
from deformgan.files import written_beside

ARRAYS = {"rows": np.arange(3), "number/ssim": np.array([0.5, np.nan, 1]), "problems": np.array([])}


def test_what_was_written_is_there_in_the_next_run_of_the_same_settings(tmp_path):
    folder = tmp_path / "report.json.unfinished"
    Journal(folder, {"a": [1, 2]})[4] = ARRAYS
    again = Journal(folder, {"a": [1, 2]})
    assert 4 in again
    assert 3 not in again
    for name, array in again[4].items():
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_other_settings_begin_anew(tmp_path):
    Journal(tmp_path / "j", {"a": 1})[0] = ARRAYS
    assert 0 not in Journal(tmp_path / "j", {"a": 2})
    assert 0 not in Journal(tmp_path / "j", {"a": 1})


def test_an_unfinished_batch_does_not_count(tmp_path):
    journal = Journal(tmp_path / "j", {})
    journal[0] = ARRAYS
    for name in ("000001.npz", "settings.json"):  # as a killed process leaves them
        with written_beside(tmp_path / name, journal.folder) as unfinished:
            unfinished.touch()
        unfinished.write_bytes(b"PK half a file")
    again = Journal(tmp_path / "j", {})
    assert 0 in again
    assert next(again.column("rows", 2)).tolist() == [0, 1, 2]


def test_a_column_is_read_batch_by_batch_where_there_is_one(tmp_path):
    journal = Journal(tmp_path / "j", {})
    journal[1] = {"rows": np.array([2])}
    journal[0] = ARRAYS
    assert [part.tolist() for part in journal.column("rows", 2)] == [[0, 1, 2], [2]]
    assert len(list(journal.column("number/ssim", 2))) == 1


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="in the way"):
        Journal(tmp_path, {})
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_it_is_gone_when_it_is_done(tmp_path):
    journal = Journal(tmp_path / "j", {})
    journal[0] = ARRAYS
    journal.remove()
    assert not (tmp_path / "j").exists()
