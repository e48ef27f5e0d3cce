"""Blocks of code in the project's Markdown files, for the tests that run them."""

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^(?: *<!-- not run: (?P<reason>[^\n]*?) -->\n)?"
    r"(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
_STARTERS = {"srun", "exec", "time"}  # run the command that follows


@dataclass(frozen=True)
class Block:
    """A fenced block of a Markdown file, also in a list.

    Attributes:
        path: The file.
        line: Line of the opening fence, from 1.
        language: bash (commands), console (commands after `$ `, and what they print), python or
            another one; empty if none is stated.
        code: The lines between the fences.
        reason: Why no test runs it (`<!-- not run: REASON -->` before it); empty if one does.
    """

    path: Path
    line: int
    language: str
    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"


def read_blocks(path: Path) -> list[Block]:
    """Return the blocks of a file, in order."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(
            path,
            text[: match.start("code")].count("\n"),
            match["language"],
            textwrap.dedent(match["code"]),
            match["reason"] or "",
        )
        for match in _BLOCK.finditer(text)
    ]


def find_commands(block: Block) -> list[list[str]]:
    """Return the arguments of every call of `deformgan` in a block of commands.

    Calls by `uv run`, `python -m`, `torchrun` and `srun` are among them, and those in pipes.
    """
    code = block.code.replace("\\\n", " ")
    lines = code.splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    found = []
    for line in lines:
        words = shlex.shlex(line, posix=True, punctuation_chars="|;&")
        words.whitespace_split = True
        calls: list[list[str]] = [[]]
        for word in words:
            if set(word) <= set("|;&"):
                calls.append([])
            else:
                calls[-1].append(word)
        found += [call for words in calls if (call := _call(words)) is not None]
    return found


def _call(words: list[str]) -> list[str] | None:
    while words and (_ASSIGNMENT.fullmatch(words[0]) or words[0] in _STARTERS):
        words = words[1:]
    if not words:
        return None
    if words[0] == "deformgan":
        return words[1:]
    runs = words[0] in ("uv", "torchrun", "python") or words[:2] == ["docker", "run"]
    if runs and "deformgan" in words[1:]:
        return words[words.index("deformgan") + 1 :]
    return None
