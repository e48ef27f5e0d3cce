"""read_fields: the settings of a configuration, from its source, since help must not load torch."""

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_NAMES = ("recipe", "name")  # not settings, see `change_settings`
_TYPES = {"int": "INT", "float": "FLOAT", "str": "STR", "bool": "{true,false}"}
_WIDTH = 100


@dataclass(frozen=True)
class Setting:
    """A field of a configuration.

    Attributes:
        name: With the names of the parts that it belongs to: weights.l1.
        kind: Its type, as `--help` shows it.
        several: Whether it has several values.
        text: First sentence of its documentation.
    """

    name: str
    kind: str
    several: bool
    text: str


@cache
def read_fields(path: str) -> list[Setting]:
    """Return the settings of a dataclass and of its parts.

    Args:
        path: Module and class: "deformgan.training.config.TrainConfig".
    """
    module, _, name = path.rpartition(".")
    found = _find(module, name)
    assert found is not None
    module, node = found
    assert isinstance(node, ast.ClassDef)
    texts = _attributes(ast.get_docstring(node) or "")
    settings, parts = [], []
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        label = field.target.id
        if label in _NAMES:
            continue
        if part := _part(module, field.annotation):
            parts += [
                Setting(f"{label}.{inner.name}", inner.kind, inner.several, inner.text)
                for inner in read_fields(part)
            ]
        else:
            kind, several = _show(module, field.annotation)
            settings.append(Setting(label, kind, several, texts.get(label, "")))
    return settings + parts


def describe_settings(path: str) -> str:
    """Return the help text on the settings of a dataclass; arguments as in `read_fields`."""
    lines = ["Settings, as flags or in the file of --config; the defaults are the recipe's:"]
    for setting in read_fields(path):
        flag = f"  --{setting.name.replace('_', '-')} {setting.kind}"
        lines += textwrap.wrap(
            f"{flag}  {setting.text}", _WIDTH, subsequent_indent=" " * 6, break_on_hyphens=False
        )
    return "\n".join(lines)


@cache
def _parse(module: str) -> ast.Module:
    parts = module.split(".")[1:]
    file = _PACKAGE.joinpath(*parts).with_suffix(".py")
    if not file.is_file():
        file = _PACKAGE.joinpath(*parts, "__init__.py")
    return ast.parse(file.read_text(encoding="utf-8"))


def _find(module: str, name: str) -> tuple[str, ast.ClassDef | ast.expr] | None:
    """Return the class or the value of a name, and the module that defines it."""
    for node in _parse(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, node
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return module, node.value
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("deformgan."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _find(node.module or "", alias.name)
    return None


def _part(module: str, annotation: ast.expr) -> str | None:
    """Return the path of a field's dataclass; None for a plain value."""
    for name in ast.unparse(annotation).split(" | "):
        found = _find(module, name) if name.isidentifier() else None
        if found is not None and isinstance(found[1], ast.ClassDef):
            return f"{found[0]}.{name}"
    return None


def _show(module: str, annotation: ast.expr) -> tuple[str, bool]:
    """Return how a type is shown, and whether it has several values."""
    text = ast.unparse(annotation)
    if text.isidentifier() and (found := _find(module, text)):
        return _show(found[0], found[1]) if isinstance(found[1], ast.expr) else (text, False)
    if text.startswith("Literal["):
        choices = ast.literal_eval(f"({text.removeprefix('Literal[').removesuffix(']')},)")
        return f"{{{','.join(map(str, choices))}}}", False
    if text.startswith("tuple["):
        inner = re.findall(r"\w+", text)[1:]
        shown = [_TYPES.get(name, name) for name in inner]
        return f"{shown[0]} ..." if text.endswith(", ...]") else " ".join(shown), True
    return _TYPES.get(text, text), False


def _attributes(docstring: str) -> dict[str, str]:
    """Return the first sentence of every entry of a docstring's section `Attributes`."""
    section = inspect.cleandoc(docstring).partition("Attributes:\n")[2]
    entries = re.split(r"^    (\w+): ", section, flags=re.MULTILINE)[1:]
    texts = {}
    for name, text in zip(entries[::2], entries[1::2], strict=True):
        whole = " ".join(text.split("\n\n")[0].split())
        sentence = re.split(r"\.\s(?=[A-Z])|;\s", whole)[0]
        if sentence.count("(") != sentence.count(")"):
            sentence = whole
        texts[name] = sentence.rstrip(".") + "."
    return texts
