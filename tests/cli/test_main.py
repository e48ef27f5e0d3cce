"""The console script: quick help, one clear line for a mistake, exit codes."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Literal

import pytest

from deformgan import __version__
from deformgan.cli import main as shell
from deformgan.errors import InputError

# Runs a command line in a process of its own and reports what that cost.
PROBE = """
import contextlib, io, json, sys, time
from deformgan.cli.main import main
with contextlib.redirect_stdout(io.StringIO()) as printed:
    code = main(sys.argv[1:])
print(json.dumps({
    "code": code,
    "help": printed.getvalue(),
    "torch": "torch" in sys.modules,
    "cpu_seconds": time.process_time(),
}))
"""


def ask_for_help(*arguments: str) -> dict:
    result = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)


@pytest.fixture
def register(monkeypatch) -> Callable[[FunctionType], None]:
    """Add a command for one test."""

    def add(function: FunctionType) -> None:
        module = ModuleType(f"deformgan.cli.{function.__name__}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(shell.COMMANDS, function.__name__, "A command of a test.")

    return add


@pytest.fixture
def group(monkeypatch) -> list[str]:
    """Register the commands `tree climb` and `tree fell`, and note which ones were called."""
    calls: list[str] = []

    def climb(height: int, /) -> int:
        """Climbs.

        Args:
            height: In metres.
        """
        calls.append(f"climb {height}")
        return 1

    def fell() -> None:
        """Fells."""
        calls.append("fell")

    for function in (climb, fell):
        module = ModuleType(f"deformgan.cli.tree.{function.__name__}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(shell.COMMANDS, f"tree {function.__name__}", function.__doc__)
    monkeypatch.setitem(sys.modules, "deformgan.cli.tree", ModuleType("deformgan.cli.tree"))
    return calls


@pytest.fixture
def fetched(register) -> list[dict]:
    """Register a command `fetch` that notes what it was called with."""
    calls: list[dict] = []

    def fetch(
        source: Path,
        pose: str,
        /,
        *,
        out: Path,
        source_pose: str | None = None,
        person: int = 0,
        kind: Literal["plain", "fancy"] = "plain",
        resume: bool = False,
    ) -> None:
        """Fetches.

        Args:
            source: A photo.
            pose: A pose.
            out: A picture.
            source_pose: Another pose.
            person: Which person, counted from 0.
            kind: How.
            resume: Whether to go on.
        """
        calls.append(
            {
                "source": source,
                "pose": pose,
                "out": out,
                "source_pose": source_pose,
                "person": person,
                "kind": kind,
                "resume": resume,
            }
        )

    register(fetch)
    return calls


def complaint_of(capsys, *arguments: str) -> str:
    """Run a command line that must fail as a user's mistake, and return its one line."""
    assert shell.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("deformgan: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_help_names_every_command_at_once_and_without_torch():
    answer = ask_for_help("--help")
    assert answer["code"] == 0
    for name, summary in shell.COMMANDS.items():
        assert f"  {name} " in answer["help"]
        assert summary in answer["help"]
    assert not answer["torch"]
    assert answer["cpu_seconds"] < 1


@pytest.mark.parametrize("name", shell.COMMANDS)
def test_help_of_every_command_is_quick_without_torch_and_complete(name):
    answer = ask_for_help(*name.split(), "--help")
    assert answer["code"] == 0
    assert f"usage: deformgan {name} " in answer["help"]
    assert not answer["torch"]
    assert answer["cpu_seconds"] < 1.5
    # A parameter without a line under `Args` would have a flag that explains nothing.
    module = import_module(f"deformgan.cli.{name.replace(' ', '.')}")
    command = getattr(module, name.split()[-1])
    undocumented = [
        parameter
        for parameter in inspect.signature(command).parameters
        if f"    {parameter}: " not in command.__doc__
    ]
    assert undocumented == []


def test_the_console_script_is_installed():
    script = Path(sys.executable).with_name("deformgan")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"deformgan {__version__}\n"


def test_arguments_reach_the_command(fetched):
    arguments = ["a.jpg", "b.csv:c", "--out", "d.png", "--source-pose", "e.json", "--resume"]
    assert shell.main(["fetch", *arguments]) == 0
    assert fetched == [
        {
            "source": Path("a.jpg"),
            "pose": "b.csv:c",
            "out": Path("d.png"),
            "source_pose": "e.json",
            "person": 0,
            "kind": "plain",
            "resume": True,
        }
    ]


def test_the_exit_code_is_the_command_s(register):
    def check() -> int:
        """Find a fault."""
        return 1

    register(check)
    assert shell.main(["check"]) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a"], ["Missing", "POSE", "--out PATH"]),
        (["a", "b", "c", "--out", "d"], ["Unrecognized options: c"]),
        (["a", "b", "--out", "d", "--persn", "1"], ["--persn", "meant: --person INT"]),
        (["a", "b", "--out", "d", "--person", "one"], ["--person", "'one'"]),
        (["a", "b", "--out", "d", "--kind", "odd"], ["'odd'", "'plain', 'fancy'"]),
        (["a", "b", "--out"], ["--out"]),
    ],
)
def test_a_wrong_flag_is_one_line_that_says_what_is_allowed(capsys, fetched, arguments, words):
    complaint = complaint_of(capsys, "fetch", *arguments)
    assert all(word in complaint for word in words), complaint
    assert complaint.endswith("; see deformgan fetch --help.\n")
    assert not any(mark in complaint for mark in "│─╭╮╰╯"), complaint
    assert fetched == []


def test_a_terminal_without_unicode_gets_the_same_line(fetched, capsys, monkeypatch):
    unicode = complaint_of(capsys, "fetch", "a", "b", "--out", "d", "--persn", "1")
    plain_box = (
        " Unrecognized options            \n"
        " -------------------------------- \n"
        "  Unrecognized options: --persn, 1\n"
        "  --------------------------------\n"
        "  Perhaps you meant:              \n"
        "      --person INT                \n"
        "          Which person. (default: 0)\n"
        "  --------------------------------\n"
        "  For full helptext, run deformgan fetch --help\n"
    )
    assert unicode == f"deformgan: {shell._flatten(plain_box)}; see deformgan fetch --help.\n"


@pytest.mark.parametrize("arguments", [["fetchh", "a"], []])
def test_an_unknown_or_missing_command_lists_the_known_ones(capsys, fetched, arguments):
    complaint = complaint_of(capsys, *arguments)
    assert "choose one of" in complaint
    assert ", ".join(shell.COMMANDS) in complaint


def test_two_words_reach_their_command(group):
    assert shell.main(["tree", "climb", "12"]) == 1
    assert shell.main(["tree", "fell"]) == 0
    assert group == ["climb 12", "fell"]


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["tree"], "'tree' needs a subcommand"),
        (["tree", "paint"], "Unknown command 'tree paint'"),
        (["tree", ""], "Unknown command 'tree '"),
        (["tree", "--seed", "1"], "Unknown command 'tree --seed'"),
    ],
)
def test_a_missing_or_unknown_second_word_lists_those_allowed(capsys, group, arguments, start):
    complaint = complaint_of(capsys, *arguments)
    assert complaint == f"deformgan: {start}; choose one of tree climb, tree fell.\n"
    assert group == []


def test_a_wrong_flag_after_two_words_points_to_their_help(capsys, group):
    complaint = complaint_of(capsys, "tree", "climb", "high")
    assert "'high'" in complaint
    assert complaint.endswith("; see deformgan tree climb --help.\n")


def test_two_words_in_one_argument_are_no_command(capsys, group):
    assert "Unknown command 'tree fell'" in complaint_of(capsys, "tree fell")
    assert group == []


def test_help_of_a_first_word_lists_its_second_ones_at_once_and_without_torch(capsys, group):
    assert shell.main(["tree", "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("usage: deformgan tree COMMAND ...\n")
    assert "  tree climb  Climbs.\n" in printed
    assert "  train" not in printed
    answer = ask_for_help("data", "--help")
    assert answer["code"] == 0
    assert "  data check " in answer["help"]
    assert not answer["torch"]


def test_what_the_user_can_fix_is_one_line_and_no_traceback(capsys, register):
    def refuse() -> None:
        """Refuses."""
        raise InputError("Nobody found in a.jpg; give a photo of a person.")

    register(refuse)
    complaint = complaint_of(capsys, "refuse")
    assert complaint == "deformgan: Nobody found in a.jpg; give a photo of a person.\n"


def test_our_own_bug_is_not_hidden(register):
    def stumble() -> None:
        """Raise an unexpected error."""
        raise AssertionError

    register(stumble)
    with pytest.raises(AssertionError):
        shell.main(["stumble"])


def test_ctrl_c_ends_with_130_and_no_traceback(capsys, register):
    def dawdle() -> None:
        """Dawdles."""
        raise KeyboardInterrupt

    register(dawdle)
    assert shell.main(["dawdle"]) == 130
    assert capsys.readouterr().err == "deformgan: interrupted\n"
