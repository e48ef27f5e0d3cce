"""Outputs are checked before the work."""

import pytest

from deformgan.cli.outputs import output_dir, output_file
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
