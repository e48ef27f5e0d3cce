"""docs/paper-to-code.md and CONTRIBUTING.md point at code that is there."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
TABLE = "".join(
    (PROJECT / file).read_text() for file in ("docs/paper-to-code.md", "CONTRIBUTING.md")
)
REFERENCES = sorted(set(re.findall(r"`([\w/]+\.py)::([\w.]+)`", TABLE)))


def defined_in(path: Path) -> set[str]:
    """Names of a file's functions, classes, methods and constants."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            names |= {f"{node.name}.{method.name}" for method in methods}
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def test_the_table_points_at_something():
    assert len(REFERENCES) > 20


@pytest.mark.parametrize(("file", "name"), REFERENCES, ids="::".join)
def test_a_place_named_in_the_table_exists(file, name):
    assert name in defined_in(PROJECT / "src" / "deformgan" / file)
