"""The console script `deformgan`: finds the command, reads its flags, turns errors into one line.

A command `NAME` is the function `NAME` in `cli/NAME.py`; one of two words, `GROUP NAME`, is the
function `NAME` in `cli/GROUP/NAME.py`. Its signature is its interface: parameters before `/` are
positional arguments, those after `*` are flags, a flag without a default is required, and the
docstring's `Args` are the help. It returns its exit code, or None for 0.
Whatever is slow to import is imported inside the function, so that `--help` answers at once.
"""

import functools
import inspect
import io
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from importlib import import_module

from deformgan import __version__
from deformgan.errors import InputError

# A new command is its file and one line here.
COMMANDS: dict[str, str] = {
    "demo": "Shows it all on bundled people.",
    "generate": "Puts the person of a photo into another pose.",
    "animate": "Moves the person of a photo through a sequence of poses.",
    "pose": "Finds the poses in photos or a video, and says what is wrong with them.",
    "data check": "Says what is wrong with a data set, file by file and line by line.",
    "data pairs": "Writes the field's pair lists, with their seeds.",
    "data synthesize": "Renders people who do not exist, or animals, with exact joints.",
    "train": "Trains a generator by a named recipe.",
    "ablate": "Trains the method with parts left out, and compares.",
    "evaluate": "Scores generated pictures, ours or anybody's, and says exactly how.",
    "compare": "Puts reports of evaluate side by side, with what differs for sure.",
    "explain": "Shows the method at work on one photo: parts, masks, transforms, skips.",
    "reid augment": "Multiplies a Re-ID training set, ready for any Re-ID toolbox.",
    "reid train": "Trains a Re-ID network, on real photos and on generated ones.",
    "reid evaluate": "Searches a gallery for people, and says how often they are found.",
    "reid experiment": "Says whether generated photos help Re-ID, how much, and how sure that is.",
    "study serve": "Shows real and generated pictures to people in the browser, and asks.",
    "study report": "Says what people answered, with intervals.",
    "skeleton show": "Draws a skeleton: its joints, bones and parts, in a typical pose.",
    "verify": "Checks the code against the numbers of the authors' own.",
    "convert": "Turns the authors' Keras weights into ours.",
    "bench": "Measures speed, as ratios to named rivals in the same run.",
}

# A command with this parameter is given there all flags that it does not name itself.
_SETTINGS = "settings"

_BAD_INPUT = 2
_INTERRUPTED = 130  # what a shell reports for a process that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: What follows the program's name; by default what the process was started with.

    Returns:
        Exit code: 0 done, 1 a fault was found (`verify`, `data check`, `evaluate`), 2 the user can
        fix it, 130 interrupted.
    """
    try:
        return _dispatch(sys.argv[1:] if arguments is None else list(arguments))
    except InputError as error:
        print(f"deformgan: {error}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("deformgan: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        raise InputError(f"No command given; choose one of {', '.join(COMMANDS)}, or --help.")
    name, *rest = arguments
    if name in ("-h", "--help"):
        print(_overview())
        return 0
    if name == "--version":
        print(f"deformgan {__version__}")
        return 0
    if members := _members(name):
        if not rest:
            raise InputError(f"'{name}' needs a second word; choose one of {', '.join(members)}.")
        if rest[0] in ("-h", "--help"):
            print(_overview(members, prog=f"deformgan {name}"))
            return 0
        if f"{name} {rest[0]}" not in members:
            raise InputError(
                f"Unknown command '{name} {rest[0]}'; choose one of {', '.join(members)}."
            )
        name, rest = f"{name} {rest[0]}", rest[1:]
    elif name not in COMMANDS or " " in name:
        raise InputError(f"Unknown command {name!r}; choose one of {', '.join(COMMANDS)}.")
    module = import_module(f"deformgan.cli.{name.replace(' ', '.')}")
    function = getattr(module, name.rpartition(" ")[2])
    command = _parse(function, prog=f"deformgan {name}", arguments=rest)
    return 0 if command is None else command() or 0


def _members(group: str) -> dict[str, str]:
    """Finds the commands of two words that begin with one."""
    return {name: summary for name, summary in COMMANDS.items() if name.startswith(f"{group} ")}


def _overview(commands: dict[str, str] = COMMANDS, prog: str = "deformgan") -> str:
    width = max(map(len, commands), default=0)
    listed = "\n".join(f"  {name:{width}}  {summary}" for name, summary in commands.items())
    return (
        f"usage: {prog} COMMAND ...\n\n"
        "A photo of a person and a pose in, the photo of that person in that pose out.\n\n"
        f"{listed}\n\n"
        "`deformgan COMMAND --help` explains one command; `deformgan --version` names the version."
    )


def _parse(
    function: Callable[..., int | None], prog: str, arguments: list[str]
) -> Callable[[], int | None] | None:
    """Reads a command's arguments, without running it: an error in a command is not a wrong flag.

    Args:
        function: The command.
        prog: What the help calls it.
        arguments: What follows the command's name.

    Returns:
        The command with its arguments filled in, or None if help was asked for and printed.
    """
    import tyro  # costs a quarter of a second, which `deformgan --help` does not need

    @functools.wraps(function)
    def bind(*args, **kwargs):
        return functools.partial(function, *args, **kwargs)

    signature = inspect.signature(function)
    open_ended = _SETTINGS in signature.parameters
    if open_ended:
        closed = [
            parameter for name, parameter in signature.parameters.items() if name != _SETTINGS
        ]
        bind.__signature__ = signature.replace(parameters=closed)  # ty: ignore[missing-attribute]
    parse = functools.partial(
        tyro.cli,
        bind,
        prog=prog,
        args=arguments,
        config=(
            tyro.conf.DisallowNone,
            tyro.conf.FlagCreatePairsOff,
            tyro.conf.PositionalMetavarFromFieldName,
        ),
    )
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            if not open_ended:
                return parse()
            command, unknown = parse(return_unknown_args=True)
            return functools.partial(command, **{_SETTINGS: unknown})
    except SystemExit as stop:
        if not stop.code:
            return None
        raise InputError(f"{_flatten(complaint.getvalue())}; see {prog} --help.") from None


def _flatten(box: str) -> str:
    """Makes one line of the box that tyro draws around an error.

    A box has a title, then sections between rules: the complaint, options that may have been
    meant, and a pointer to the help. Options are indented by four, their descriptions by eight.
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()
    sections: list[list[str]] = [[]]
    for line in plain[1:]:
        row = line[2:].rstrip(" │")
        if set(row) <= set("─-╯"):
            sections.append([])
        elif not row.startswith(" " * 8):
            sections[-1].append(row)
    sentences = []
    for rows in sections:
        prose = " ".join(row for row in rows if not row.startswith(" "))
        options = ", ".join(row.strip() for row in rows if row.startswith(" "))
        sentences.append(f"{prose} {options}".strip())
    return "; ".join(
        sentence.rstrip(".")
        for sentence in sentences
        if sentence and not sentence.startswith("For full helptext")
    )
