"""Errors of the system in the middle of every command that writes: a full disk, no permission."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deformgan.cli.main import main
from tools.abuse.commands import COMMANDS, prepare
from tools.abuse.whole import find_damage, find_leftovers

LIMITS = (0, 300, 6000)  # bytes of a file
QUIET = {"data check": {0, 1}}  # exit codes of a call that nothing disturbs, if not 0


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """What the commands read."""
    folder = tmp_path_factory.mktemp("given")
    prepare(folder)
    return folder


@pytest.fixture
def start(given, capsys):
    """Return a function that starts a command by name and returns its code and error messages."""

    def run(name, out, again=False):
        command = COMMANDS[name]
        if not command.available:
            pytest.skip(f"needs the package {command.needs}")
        capsys.readouterr()
        code = main(command.words(given, out, again=again))
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return code or 0, [line for line in said.splitlines() if line.startswith("deformgan: ")]

    return run


def check_failure(code, lines, out):
    assert code in (1, 2)
    assert len(lines) == 1, lines
    assert lines[0].isprintable()
    assert find_damage(out) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_files_that_cannot_grow_are_one_line_and_nothing_is_half_written(
    start, largest_file, tmp_path, name
):
    failed = 0
    for limit in LIMITS:
        with largest_file(limit):
            code, lines = start(name, tmp_path, again=limit > LIMITS[0])
        if code not in QUIET.get(name, {0}):
            check_failure(code, lines, tmp_path)
            failed += 1
    assert failed
    code, lines = start(name, tmp_path, again=True)
    assert code in QUIET.get(name, {0}), lines
    assert find_damage(tmp_path) == []
    assert find_leftovers(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path):
    """Return a function that mounts a disk of some kilobytes, or makes the mounted one larger."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = []

    def mount(kilobytes):
        options = f"{'remount,' if mounted else ''}size={kilobytes}k"
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(words, check=False).returncode:
            pytest.skip("needs the right to mount a disk")
        mounted.append(kilobytes)
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["generate a folder", "animate", "train", "evaluate", "reid augment", "export"],
)
def test_a_disk_that_is_full_is_one_line_and_the_command_goes_on_with_more_room(
    start, small_disk, name
):
    for kilobytes in (4, 40):
        out = small_disk(kilobytes)
        code, lines = start(name, out, again=kilobytes > 4)
        if code or kilobytes == 4:
            check_failure(code, lines, out)
    out = small_disk(40_000)
    assert start(name, out, again=True) == (0, [])
    assert find_damage(out) == []
    assert find_leftovers(out) == []


def unwritable():
    """Return a folder in which nobody may write, not even root."""
    for folder in (Path("/sys"), Path("/proc/self")):
        probe = folder / "deformgan-test"
        try:
            probe.mkdir()
        except OSError:
            if folder.is_dir():
                return folder
        else:
            probe.rmdir()
    pytest.skip("needs a folder in which nobody may write")


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_cannot_be_written_is_one_line(start, name):
    code, lines = start(name, unwritable())
    assert code == 2
    assert len(lines) == 1, lines
