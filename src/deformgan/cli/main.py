"""The console script `deformgan`: finds the command, parses its flags, reports errors in one line.

A command `NAME` is the function `NAME` in `cli/NAME.py`; a command `GROUP NAME` is the function
`NAME` in `cli/GROUP/NAME.py`. The function's signature defines the command line: parameters before
`/` are positional arguments, those after `*` are flags, a flag without a default is required, and
`Args` in the docstring is the help text. The function returns the exit code, or None for 0.

Slow imports go inside the function, so that `--help` answers at once.
"""

import functools
import inspect
import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from importlib import import_module
from pathlib import Path
from typing import get_args

from deformgan import __version__
from deformgan.cli.settings_help import describe_settings, read_fields
from deformgan.errors import InputError, describe_system_error, printable

# To add a command, add its file and one line here.
COMMANDS: dict[str, str] = {
    "demo": "Generate example pictures of bundled people.",
    "generate": "Generate a photo of a person in a new pose.",
    "animate": "Animate the person in a photo with a sequence of poses.",
    "pose": "Detect poses in photos or a video, and report which are unusable and why.",
    "data check": "Check a data set for errors, file by file and line by line.",
    "data pairs": "Write the list of training or test pairs of a data set.",
    "data synthesize": "Render synthetic people or animals with exact annotations.",
    "train": "Train a generator.",
    "ablate": "Train variants of the method with equal budgets, and compare them.",
    "evaluate": "Evaluate generated pictures of test pairs.",
    "compare": "Compare evaluation reports, with significance tests.",
    "explain": "Visualize each step of the method for one photo and pose.",
    "reid augment": "Augment a person re-identification (Re-ID) data set.",
    "reid train": "Train a Re-ID network on real or augmented data.",
    "reid evaluate": "Evaluate person search in a gallery: ranks, mAP and mINP.",
    "reid experiment": "Measure whether generated photos improve Re-ID, with significance tests.",
    "reid report": "Answer from several experiments how to use generated photos for Re-ID.",
    "study serve": "Serve a human study of real and generated pictures in the browser.",
    "study report": "Report the results of a human study, with confidence intervals.",
    "studio": "Drag a skeleton in the browser, and see the person move.",
    "skeleton show": "Draw the joints, bones and parts of a skeleton.",
    "verify": "Verify this code against numbers computed by the authors' code.",
    "export": "Export a generator as ONNX graphs, checked against PyTorch.",
    "convert": "Convert a Keras checkpoint of the authors' generator.",
    "bench": "Benchmark speed and memory.",
}

# A command with this parameter receives in it all flags that its signature does not name. They are
# the settings of a dataclass, named in the parameter's annotation: Annotated[Sequence[str], PATH].
_SETTINGS = "settings"

_FAILED = 1
_BAD_INPUT = 2
_INTERRUPTED = 130  # the exit codes shells use for a process ended by Ctrl-C, or by SIGTERM
_TERMINATED = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Command line without the program name; by default that of the process.

    Returns:
        Exit code: 0 for success, 1 if a check failed (`verify`, `data check`, `evaluate`), training
        diverged or nobody reads the output, 2 for an error that the user can fix (also a full
        disk), 130 if interrupted, 143 if terminated.
    """
    # Pillow's, about odd metadata of photos that it reads.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    for stream in (sys.stdout, sys.stderr):
        # Names of files may be no UTF-8, and a terminal may know ASCII alone.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _ended_by_terminate():
            code = _dispatch(sys.argv[1:] if arguments is None else list(arguments))
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        # Nobody reads the output any longer; what is still buffered must not fail again.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except (InputError, OSError, MemoryError) as error:
        with suppress(OSError):
            print(f"deformgan: {printable(_describe(error))}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("deformgan: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except _Terminated:
        return _TERMINATED


class _Terminated(BaseException):
    """SIGTERM, as an exception, so that files and processes are cleaned up."""


@contextmanager
def _ended_by_terminate() -> Generator[None]:
    """Let SIGTERM raise `_Terminated`, unless somebody else handles it."""

    def terminate(*_: object) -> None:
        raise _Terminated

    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _describe(error: InputError | OSError | MemoryError) -> str:
    if isinstance(error, OSError):
        return describe_system_error(error)
    return _name_flags(str(error) or "this needs more memory than there is.")


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        raise InputError(f"No command given; choose one of {', '.join(COMMANDS)}, or use --help.")
    name, *rest = arguments
    if name in ("-h", "--help"):
        print(_overview())
        return 0
    if name == "--version":
        print(f"deformgan {__version__}")
        return 0
    if members := _members(name):
        if not rest:
            raise InputError(f"'{name}' needs a subcommand; choose one of {', '.join(members)}.")
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
    if command is None:
        return 0
    _check_outputs(command)
    return command() or 0


_OUTPUTS = ("out", "json")


def _check_outputs(command: Callable[[], int | None]) -> None:
    """Refuse outputs that would replace each other or an input."""
    while isinstance(command, functools.partial) and isinstance(command.func, functools.partial):
        command = functools.partial(
            command.func.func, *command.func.args, **command.func.keywords, **command.keywords
        )
    if not isinstance(command, functools.partial):
        return
    written = {
        name: value for name in _OUTPUTS if isinstance(value := command.keywords.get(name), Path)
    }
    if len({os.path.realpath(path) for path in written.values()}) < len(written):
        raise InputError(f"--out and --json are both {written['out']}; give two names.")
    others = [value for name, value in command.keywords.items() if name not in _OUTPUTS]
    for given in _flatten_values([*command.args, *others]):
        for name, path in written.items():
            if path.is_file() and os.path.exists(given) and os.path.samefile(path, given):
                raise InputError(f"--{name} is {path}, which is also read; give another name.")


def _flatten_values(values: Iterable[object]) -> Iterator[str]:
    """Yield the paths among the values of flags, also those in lists and before ':NAME'."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flatten_values(value)
        elif isinstance(value, str | Path) and "\0" not in str(value):
            yield str(value)
            if ":" in str(value):
                yield str(value).rpartition(":")[0]


def _name_flags(message: str) -> str:
    """Translate parameters of the library (`source_pose=`) to flags (`--source-pose`)."""
    return re.sub(
        r"(?<![\w.'\"])([a-z][a-z_]*)=(?!=)([\w#]*)",
        lambda match: f"--{match[1].replace('_', '-')} {match[2]}".rstrip(),
        message,
    )


def _members(group: str) -> dict[str, str]:
    """Return the commands of a group."""
    return {name: summary for name, summary in COMMANDS.items() if name.startswith(f"{group} ")}


def _overview(commands: dict[str, str] = COMMANDS, prog: str = "deformgan") -> str:
    width = max(map(len, commands), default=0)
    listed = "\n".join(f"  {name:{width}}  {summary}" for name, summary in commands.items())
    return (
        f"usage: {prog} COMMAND ...\n\n"
        "Generate photos of people in new poses; train and evaluate the networks for it.\n\n"
        f"{listed}\n\n"
        "Run `deformgan COMMAND --help` for help on a command, `deformgan --version` for the "
        "version."
    )


def _parse(
    function: Callable[..., int | None], prog: str, arguments: list[str]
) -> Callable[[], int | None] | None:
    """Parse a command's arguments without running it.

    Parsing is separate so that an error inside a command is not reported as a wrong flag.

    Args:
        function: The command.
        prog: Program name in the help text.
        arguments: Arguments after the command's name.

    Returns:
        The command with its arguments bound, or None if help was printed.
    """
    import tyro  # takes a quarter of a second, which `deformgan --help` can do without

    @functools.wraps(function)
    def bind(*args, **kwargs):
        return functools.partial(function, *args, **kwargs)

    signature = inspect.signature(function)
    settings: list[str] = []
    described = None  # the dataclass of the settings
    if open_ended := _SETTINGS in signature.parameters:
        described = next(iter(get_args(signature.parameters[_SETTINGS].annotation)[1:]), None)
        arguments, settings = _take_settings(arguments, signature, described)
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
            return functools.partial(parse(), **{_SETTINGS: settings})
    except SystemExit as stop:
        if not stop.code:
            if described is not None:
                print(describe_settings(described))
            return None
        raise InputError(f"{_flatten(complaint.getvalue())}; see {prog} --help.") from None


def _take_settings(
    arguments: list[str], signature: inspect.Signature, described: str | None
) -> tuple[list[str], list[str]]:
    """Separate the flags that a signature does not name, with their values, from the others.

    A setting takes one value; one of several values, or an unknown one, all up to the next flag.
    """
    named = {"help", *(name for name in signature.parameters if name != _SETTINGS)}
    fields = read_fields(described) if described else []
    single = {setting.name for setting in fields if not setting.several}
    others: list[str] = []
    settings: list[str] = []
    left: float = 0  # values that the current setting may still take
    for word in arguments:
        if word.startswith("--"):
            flag, assigned, _ = word.removeprefix("--").partition("=")
            name = flag.replace("-", "_")
            left = 0 if name in named or assigned else 1 if name in single else float("inf")
            (others if name in named else settings).append(word)
        elif left and not (word.startswith("-") and word[1:2].isalpha()):
            left -= 1
            settings.append(word)
        else:
            others.append(word)
    return others, settings


def _flatten(box: str) -> str:
    """Flatten the box that tyro draws around an error into one line.

    A box has a title and sections separated by rules: the error, similar options, and a pointer to
    the help. Options are indented by four spaces, their descriptions by eight.
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
