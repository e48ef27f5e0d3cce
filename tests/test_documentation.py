"""The documentation: every command exists with its flags, and every block of code runs."""

import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from deformgan.cli import main as commands
from deformgan.cli.animations import write_video
from deformgan.cli.settings_help import read_fields
from deformgan.datasets.bundled_people import FOLDER, bundled_people, bundled_walk
from deformgan.datasets.pairs import write_pairs
from deformgan.photo_file import read_photo
from deformgan.pose_formats import Annotations, write_annotations
from tools.markdown import find_commands, read_blocks

PROJECT = Path(__file__).resolve().parents[1]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(PROJECT.glob("docs/*.md"))]
BLOCKS = [block for page in PAGES for block in read_blocks(page)]
COMMANDS = [
    (block, arguments)
    for block in BLOCKS
    if block.language in ("bash", "console")
    for arguments in find_commands(block)
]
RUN = [
    page
    for page in PAGES
    if any(block.language in ("bash", "python") and not block.reason for block in read_blocks(page))
]
PHOTOS = [[view.path for view in views] for views in bundled_people()]


class Parsed(BaseException):
    """The command line is right; the command does not run."""


def settings_of(function):
    parameter = inspect.signature(function).parameters.get("settings")
    described = parameter and next(iter(get_args(parameter.annotation)[1:]), None)
    return {setting.name for setting in read_fields(described)} if described else set()


def test_every_fence_has_a_language_and_is_found():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fences = len(re.findall(r"^ *```", text, re.MULTILINE))
        blocks = read_blocks(page)
        assert fences == 2 * len(blocks), page.name
        assert all(block.language for block in blocks), page.name
        marks = re.findall(r"^ *<!-- not run: .+ -->$", text, re.MULTILINE)
        assert len(marks) == sum(bool(block.reason) for block in blocks), page.name
    assert len(COMMANDS) > 40


def test_every_page_is_in_the_menu_of_the_site():
    with (PROJECT / "zensical.toml").open("rb") as file:
        menu = json.dumps(tomllib.load(file)["project"]["nav"])
    listed = re.findall(r'"([\w-]+\.md)"', menu)
    assert sorted(listed) == sorted(path.name for path in PROJECT.glob("docs/*.md"))


@pytest.mark.parametrize(("block", "arguments"), COMMANDS, ids=lambda value: str(value)[:60])
def test_every_command_and_flag_exists(block, arguments, monkeypatch, capsys):
    def stop(command):
        unknown = {
            word.removeprefix("--").replace("-", "_")
            for word in command.keywords.get("settings", ())
            if word.startswith("--")
        }
        while hasattr(command, "func"):
            command = command.func
        assert unknown <= settings_of(command), block
        raise Parsed

    if not arguments or arguments[0] in ("--version", "--help"):
        return
    monkeypatch.setattr(commands, "_check_outputs", stop)
    try:
        code = commands.main(arguments)
    except Parsed:
        return
    pytest.fail(f"{block}: {code} {capsys.readouterr().err}")


def test_commands_in_sentences_exist_with_their_flags():
    for page in PAGES:
        if page.name == "log.md":  # history, of commands as they were
            continue
        for quoted in re.findall(r"`deformgan ([^`]+)`", page.read_text(encoding="utf-8")):
            words = quoted.split()
            if words[0].startswith("-") or words[0] in ("COMMAND", "GROUP", "..."):
                continue
            name = " ".join(words[:2]) if " ".join(words[:2]) in commands.COMMANDS else words[0]
            assert name in commands.COMMANDS, (page.name, quoted)
            module = commands.import_module(f"deformgan.cli.{name.replace(' ', '.')}")
            function = getattr(module, name.rpartition(" ")[2])
            known = {*inspect.signature(function).parameters, *settings_of(function), "help"}
            flags = {
                word.partition("=")[0].removeprefix("--").replace("-", "_").removeprefix("no_")
                for word in words
                if word.startswith("--")
            }
            assert flags <= known, (page.name, quoted)


@pytest.fixture
def desk(tmp_path):
    """A folder with everything that blocks read by name, and `deformgan` as a program."""
    photos = {
        "me.jpg": 0, "dance.jpg": 3, "jump.jpg": 5, "street.jpg": 7, "front.jpg": 1, "back.jpg": 1,
        "PHOTO": 0, "POSE": 3, "SCENE.jpg": 7, "people/a.jpg": 0, "people/b.jpg": 1,
        "poses/a.jpg": 2, "poses/b.jpg": 3, "FRAMES/0.jpg": 4, "FRAMES/1.jpg": 5,
    }  # fmt: skip
    for name, person in photos.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PHOTOS[person][1 if name == "back.jpg" else 0], tmp_path / name)
    own = {"ann": ("beach.jpg", "street.jpg", "stairs.jpg"), "bob": ("1.png", "2.png")}
    for person, (name, names) in enumerate(own.items()):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for photo, view in zip(names, PHOTOS[person], strict=False):
            Image.open(view).save(tmp_path / "photos" / name / photo)
    shutil.copytree(FOLDER, tmp_path / "MARKET", ignore=leave_out_all_but_two)
    (tmp_path / "test").mkdir()
    for view in PHOTOS[0]:
        shutil.copy(view, tmp_path / "test")
    shutil.copy(FOLDER / "annotation.csv", tmp_path / "test.csv")
    pair = [view.name for view in PHOTOS[0][:2]]
    for system in "AB":
        (tmp_path / system).mkdir()
        out = tmp_path / system / f"{Path(pair[0]).stem}__{Path(pair[1]).stem}.png"
        Image.open(PHOTOS[0]["AB".index(system)]).save(out)
    (tmp_path / "dance").mkdir()
    walk = bundled_walk()[:2]
    write_annotations(tmp_path / "dance" / "a.json", Annotations(["a"], walk[[0]], (128, 64)))
    write_annotations(tmp_path / "walk.csv", Annotations(["0.jpg", "1.jpg"], walk))
    program = tmp_path / ".bin" / "deformgan"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m deformgan "$@"\n')
    program.chmod(0o755)
    return tmp_path


def leave_out_all_but_two(folder, names):
    people = ("0001_", "0002_")
    return [name for name in names if name[:1] == "0" and not name.startswith(people)]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run_in_order(page, desk, monkeypatch):
    blocks = [block for block in read_blocks(page) if not block.reason]
    code = "".join(block.code for block in blocks)
    if "walk.mp4" in code:
        pytest.importorskip("av", reason="needs the extra video (PyAV)")
        write_video(desk / "walk.mp4", [read_photo(views[0]) for views in PHOTOS[4:7]], fps=5.0)
    if "pairs.csv" in code:
        test = page.name == "results.md"
        pair = tuple(view.name for view in PHOTOS[0][:2]) if test else ("a.jpg", "b.jpg")
        write_pairs(desk / "pairs.csv", [pair])
    monkeypatch.chdir(desk)
    environment = {
        **os.environ,
        "PATH": f"{desk / '.bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    names: dict[str, object] = {}
    for block in blocks:
        if block.language == "python":
            exec(compile(block.code, str(block), "exec"), names)
        elif block.language == "bash":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.code],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"


SESSIONS = [block for block in BLOCKS if block.language == "console" and not block.reason]


@pytest.mark.parametrize("block", SESSIONS, ids=str)
def test_a_session_prints_what_the_page_shows(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for earlier in read_blocks(block.path):  # files that the page shows
        if earlier.language == "json" and (name := json.loads(earlier.code).get("name")):
            Path(f"{name}.json").write_text(earlier.code, encoding="utf-8")
    for part in block.code.split("$ ")[1:]:
        command, _, shown = part.partition("\n")
        assert commands.main(shlex.split(command)[1:]) == 0
        assert capsys.readouterr().out.strip() == shown.strip(), command
