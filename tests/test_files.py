"""Files are written whole or not at all, and damaged ones are refused in one line."""

import json
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from deformgan.errors import InputError
from deformgan.files import (
    _host,
    bundled,
    is_unfinished,
    one_at_a_time,
    read_safetensors,
    read_safetensors_header,
    remove_unfinished,
    try_lock,
    wait_for_lock,
    write_json,
    write_safetensors,
    write_text,
    written_beside,
)

TENSORS = {"b": torch.arange(6.0).reshape(2, 3).half(), "a": torch.ones(3)}
METADATA = {"kind": "test", "é": "ü"}


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "w.safetensors"
    write_safetensors(path, TENSORS, METADATA)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    out = tmp_path / "out.png"
    with written_beside(out) as unfinished:
        unfinished.write_text("new")
        assert unfinished.parent == out.parent
        assert unfinished.suffix == out.suffix
        assert not out.exists()
    assert names(tmp_path) == ["out.png"]
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
    assert names(tmp_path) == ["out.png"]
    assert out.read_text() == "old"


def test_the_error_of_a_folder_that_is_missing_stays_itself(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "absent" / "a.txt", "a")


def test_an_unfinished_file_can_be_in_another_folder(tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    with written_beside(tmp_path / "a.txt", hidden) as unfinished:
        assert unfinished.parent == hidden
        unfinished.write_text("a")
    assert names(tmp_path) == ["a.txt", "hidden"]
    assert names(hidden) == []


@pytest.mark.parametrize("name", ["é" * 127, "x" * 250 + ".png"])
def test_the_longest_names_can_be_written(name, tmp_path):
    write_text(tmp_path / name, "a")
    assert names(tmp_path) == [name]


def test_two_writers_of_one_file_do_not_collide(tmp_path):
    out = tmp_path / "a.txt"
    with written_beside(out) as first, written_beside(out) as second:
        first.write_text("first")
        second.write_text("second")
    assert out.read_text() == "first"  # the one that finished last
    assert names(tmp_path) == ["a.txt"]


def test_two_processes_do_not_collide(tmp_path):
    script = """
import sys
from pathlib import Path
from deformgan.files import write_text
for _ in range(300):
    write_text(Path(sys.argv[1]), sys.argv[2] * 1000)
"""
    out = tmp_path / "a.txt"
    command = [sys.executable, "-c", script, str(out)]
    processes = [subprocess.Popen([*command, letter]) for letter in "ab"]
    while any(process.poll() is None for process in processes):
        assert not out.exists() or out.read_text() in ("a" * 1000, "b" * 1000)
    assert [process.returncode for process in processes] == [0, 0]
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("name", ["a.tar.gz", "a", ".a", "a.png"])
def test_what_a_killed_process_left_is_recognized_and_removed(name, tmp_path):
    script = """
import os, sys
from pathlib import Path
from deformgan.files import written_beside
with written_beside(Path(sys.argv[1])) as unfinished:
    unfinished.write_text("half of it")
    os._exit(9)
"""
    kept = [".unfinished", ".hidden", "a.unfinished", "b.png"]
    for file in kept:
        (tmp_path / file).touch()
    subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], check=False)
    (left,) = (path for path in tmp_path.iterdir() if path.name not in kept)
    assert is_unfinished(left)
    remove_unfinished(tmp_path)
    assert names(tmp_path) == sorted(kept)
    assert not any(map(is_unfinished, tmp_path.iterdir()))


def test_nothing_is_removed_from_a_folder_that_is_missing(tmp_path):
    remove_unfinished(tmp_path / "absent")


def test_text_is_written_as_it_is(tmp_path):
    write_text(tmp_path / "a.txt", "é\r\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\r\nb\n".encode()


def test_a_report_survives_the_round_trip_with_null_for_what_is_not_finite(tmp_path):
    report = tmp_path / "report.json"
    write_json(report, {"worst": float("nan"), "cases": [1, float("inf")], "ratio": (0.5, "a")})
    strict = json.loads(report.read_text(), parse_constant=pytest.fail)
    assert strict == {"worst": None, "cases": [1, None], "ratio": [0.5, "a"]}


def test_a_report_that_json_cannot_hold_leaves_the_old_one(tmp_path):
    report = tmp_path / "report.json"
    write_json(report, {"a": 1})
    assert report.read_text() == '{\n  "a": 1\n}\n'
    with pytest.raises(TypeError):
        write_json(report, {"a": object()})
    assert report.read_text() == '{\n  "a": 1\n}\n'
    assert names(tmp_path) == ["report.json"]


def test_tensors_come_back_with_their_types_and_metadata(weights):
    tensors, metadata = read_safetensors(weights)
    assert metadata == METADATA
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(tensor, TENSORS[name], rtol=0, atol=0)
    assert read_safetensors_header(weights) == (["a", "b"], METADATA)


def test_a_file_without_metadata_has_none(tmp_path):
    save_file(TENSORS, tmp_path / "w.safetensors")
    assert read_safetensors(tmp_path / "w.safetensors")[1] == {}
    assert read_safetensors_header(tmp_path / "w.safetensors")[1] == {}


def test_the_same_content_is_the_same_bytes_in_every_process(tmp_path):
    script = """
import sys, torch
from pathlib import Path
from deformgan.files import write_safetensors
weights = {"b": torch.arange(6.0).reshape(2, 3).half(), "a": torch.ones(3)}
write_safetensors(Path(sys.argv[1]), weights, {key: key * 2 for key in "cabéd"})
"""
    files = [tmp_path / f"{run}.safetensors" for run in range(2)]
    for file in files:
        subprocess.run([sys.executable, "-c", script, str(file)], check=True)
    assert len({file.read_bytes() for file in files}) == 1
    tensors, metadata = read_safetensors(files[0])
    assert metadata == {key: key * 2 for key in "cabéd"}
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize("read", [read_safetensors, read_safetensors_header])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"something else",
        lambda content: b"\x00" * 400,
        lambda content: content[:60],
        lambda content: content[:-1],
        lambda content: content + b"\x00",
        lambda content: content.replace(b'"F16"', b'"F61"'),
        lambda content: content.replace(b'"a"', b'"\xff"'),
        # The library quotes the whole header.
        lambda content: (5002).to_bytes(8, "little") + b'"' + 5000 * b"a" + b'"',
    ],
)
def test_a_damaged_file_is_refused_in_one_line(read, damage, weights):
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(InputError, match=r"w\.safetensors is not a safetensors file") as caught:
        read(weights)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("read", [read_safetensors, read_safetensors_header])
def test_a_missing_file_or_a_folder_is_refused(read, tmp_path):
    with pytest.raises(InputError, match=r"absent\.safetensors does not exist"):
        read(tmp_path / "absent.safetensors")
    with pytest.raises(InputError, match="is not a safetensors file"):
        read(tmp_path)


@pytest.mark.parametrize(
    "name", ["people/annotation.csv", "weights/pose18.safetensors", "study/page/index.html"]
)
def test_bundled_files_are_found(name):
    assert bundled(name).is_file()


@pytest.fixture(params=["this system", "Windows"])
def system(request, monkeypatch):
    """Locks as this system has them, and as Windows does, by a stand-in for its module."""
    if request.param == "Windows":
        fcntl = pytest.importorskip("fcntl", reason="the stand-in is made of Unix locks")

        def locking(number, mode, count):
            assert (mode, count) == ("without waiting", 1)
            # Behind the content, so that others can read it.
            assert os.lseek(number, 0, os.SEEK_CUR) > os.fstat(number).st_size
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PermissionError(13, "Permission denied") from None

        windows = SimpleNamespace(locking=locking, LK_NBLCK="without waiting")
        monkeypatch.setitem(sys.modules, "msvcrt", windows)
        monkeypatch.setitem(sys.modules, "fcntl", None)
        monkeypatch.setattr("deformgan.files._WINDOWS", True)
    return request.param


def test_a_lock_is_held_by_one_until_the_file_is_closed(system, tmp_path):
    path = tmp_path / "lock"
    with path.open("a+") as mine, path.open("a+") as other:
        mine.write("before, ")
        mine.flush()
        assert try_lock(mine)
        assert not try_lock(other)
        mine.write("after")
        mine.flush()
        assert path.read_text() == "before, after"
        mine.close()
        assert try_lock(other)


def test_waiting_for_a_lock_ends_when_it_is_free(system, tmp_path):
    path, order = tmp_path / "lock", []

    def wait():
        with path.open("a") as other:
            wait_for_lock(other)
            order.append("the other")

    with path.open("a") as mine:
        wait_for_lock(mine)
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        order.append("mine")
    waiting.join(timeout=30)
    assert order == ["mine", "the other"]


def test_one_command_at_a_time_and_its_lock_is_removed(system, tmp_path):
    path = tmp_path / ".lock"
    with one_at_a_time(path, "out"):
        with pytest.raises(InputError, match="is writing out"), one_at_a_time(path, "out"):
            pass
        assert path.exists()
    assert not path.exists()
    with pytest.raises(RuntimeError), one_at_a_time(path, "out"):
        raise RuntimeError
    assert not path.exists()


def test_no_process_is_signalled_on_windows_where_that_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr("deformgan.files._WINDOWS", True)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a process was signalled"))
    left = tmp_path / f".a.{_host()}-999999-0123abcd.unfinished.txt"
    left.touch()
    write_text(tmp_path / "b.txt", "b")
    assert left.exists()
