"""Errors of the system, names that no terminal prints, outputs that are inputs, two at once."""

import errno
import os
import signal
import subprocess
import sys

import pytest
from PIL import Image

from deformgan.cli import main as cli
from deformgan.cli.outputs import beside
from deformgan.errors import InputError, describe_system_error, printable
from deformgan.files import check_inside, one_at_a_time, written_beside

RAISED = [
    OSError(errno.ENOSPC, "No space left on device", "/data/o.png"),
    OSError(errno.EROFS, "Read-only file system", "/data/o.png"),
    PermissionError(errno.EACCES, "Permission denied", "/data/o.png"),
    OSError(errno.ENAMETOOLONG, "File name too long", "/data/o.png"),
    FileNotFoundError(errno.ENOENT, "No such file or directory", "/data/.a", None, "/data/o.png"),
    OSError(errno.EIO, "Input/output error"),
    OSError("cannot write mode P as JPEG"),
    OSError(errno.EMFILE, "Too many open files", "br\udcf6ken\x1b[2J.jpg"),
    MemoryError(),
]


@pytest.mark.parametrize("error", RAISED)
def test_errors_of_the_system_are_lines(run, monkeypatch, error):
    def fail(arguments):
        raise error

    monkeypatch.setattr(cli, "_dispatch", fail)
    code, _, said = run("pose")
    assert code == 2
    assert said.startswith("deformgan: ")
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()
    if isinstance(error, OSError):
        assert printable(describe_system_error(error)) in said


def test_a_closed_pipe_is_no_error_message(tmp_path):
    command = (
        f"{sys.executable} -m deformgan --help | head -c 10 > /dev/null; echo ${{PIPESTATUS[0]}}"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = ["bash", "-c", command]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=env)
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["generate", "a.png", "b.png", "--out", "a.png"], "--out is a.png, which is also read"),
        (["generate", "a.png", "b.png", "--out", "b.png"], "--out is b.png, which is also read"),
        (["generate", "a.png", "b.png", "--out", "c.png", "--json", "a.png"], "--json is a.png"),
        (["generate", "a.png", "b.png", "--out", "o", "--json", "./o"], "both o"),
        (["pose", "a.png", "--out", "link.png"], "--out is link.png, which is also read"),
        (["compare", "a.png", "b.png", "--json", "a.png"], "--json is a.png"),
        (
            ["generate", "a.png", "b.png", "--source-pose", "p.json:x", "--out", "p.json"],
            "--out is p.json",
        ),
    ],
)
def test_outputs_that_are_inputs_are_refused(run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 8)).save(name)
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "p.json").write_text("{}")
    before = (tmp_path / "a.png").read_bytes()
    code, _, error = run(*words)
    assert code == 2
    assert said in error
    assert (tmp_path / "a.png").read_bytes() == before


@pytest.mark.parametrize(
    "name",
    ["../a.jpg", "a/../../b.jpg", "/etc/passwd", "C:\\a.jpg", "..\\a", "\\\\host\\a", "a\0b"],
)
def test_names_that_leave_their_folder_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="leaves the folder"):
        check_inside(name)


@pytest.mark.parametrize("name", ["a.jpg", "ann/a.jpg", "a..b.jpg", "...jpg", "a b", "ä.jpg"])
def test_other_names_stay(name):
    check_inside(name)


def test_tables_with_such_names_are_refused(tmp_path):
    from deformgan.datasets.pairs import read_pairs
    from deformgan.pose_formats import read_annotations

    (tmp_path / "p.csv").write_text("from,to\na.jpg,../../b.jpg\n")
    with pytest.raises(InputError, match="line 2: the name"):
        read_pairs(tmp_path / "p.csv")
    row = f"/etc/a.jpg: {[9] * 18}: {[9] * 18}"
    (tmp_path / "a.csv").write_text(f"name:keypoints_y:keypoints_x\n{row}\n")
    with pytest.raises(InputError, match="line 2: the name"):
        read_annotations(tmp_path / "a.csv")


HOLD = """
import sys, time
from pathlib import Path
from deformgan.files import one_at_a_time, written_beside
with one_at_a_time(Path(sys.argv[1]), "o"), written_beside(Path(sys.argv[2])) as unfinished:
    unfinished.write_text("half")
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_command_refuses_and_a_killed_one_leaves_nothing(tmp_path):
    lock, out = tmp_path / ".o.lock", tmp_path / "sub" / "o.txt"
    out.parent.mkdir()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", HOLD, str(lock), str(out)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=env) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(InputError, match="Another command is writing o"),
            one_at_a_time(lock, "o"),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert len(list(out.parent.iterdir())) == 1
    with one_at_a_time(lock, "o"):
        pass
    assert not lock.exists()
    with written_beside(out) as unfinished:
        unfinished.write_text("whole")
    assert [path.name for path in out.parent.iterdir()] == ["o.txt"]


def test_a_long_name_has_a_short_journal(tmp_path):
    out = tmp_path / ("ä" * 120 + ".csv")
    beside(out, "journal.lock").touch()
    assert beside(out, "journal") != beside(out.with_name("ä" * 121 + ".csv"), "journal")
    assert beside(tmp_path / "a.csv", "journal").name == ".a.csv.journal"
