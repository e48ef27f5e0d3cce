"""Files, extras and silence of outside networks."""

import os
import sys

import pytest

from deformgan.detectors.outside_model import missing_extra, needed_file, quiet
from deformgan.errors import InputError


def test_a_model_without_a_file_is_asked_for(tmp_path):
    with pytest.raises(InputError, match="movenet:PATH"):
        needed_file("movenet", None)
    with pytest.raises(InputError, match="does not exist"):
        needed_file("movenet", tmp_path / "x.tflite")
    (tmp_path / "x.tflite").touch()
    assert needed_file("movenet", tmp_path / "x.tflite") == tmp_path / "x.tflite"


def test_a_missing_library_is_named_by_its_extra():
    assert 'pip install "deformgan[pose]"' in str(missing_extra("simcc", "pose"))


def test_nothing_is_printed_meanwhile_and_everything_after(capfd):
    with quiet():
        print("progress 1 %", end="\r", file=sys.stderr)
        os.write(2, b"from C++\n")
    print("after", file=sys.stderr)
    assert capfd.readouterr().err == "after\n"


def test_an_error_ends_the_silence(capfd):
    with pytest.raises(ValueError, match="x"), quiet():
        raise ValueError("x")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
