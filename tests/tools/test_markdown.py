"""Blocks and commands are found in Markdown as it is written here."""

from pathlib import Path

from tools.markdown import Block, find_commands, read_blocks

PAGE = """Text `deformgan pose`.

```python
print(1)
```

<!-- not run: needs a GPU -->
```bash
FLAG=1 deformgan train x \\
    --out y  # a comment
```

1. In a list:

    ```console
    $ deformgan skeleton show a --out b
    a: deformgan
    ```
"""


def test_blocks_have_language_line_reason_and_no_indent(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    python, bash, console = read_blocks(path)
    assert (python.language, python.line, python.code, python.reason) == (
        ("python", 3, "print(1)\n", "")
    )
    assert (bash.line, bash.reason) == (8, "needs a GPU")
    assert console.code.startswith("$ deformgan")
    assert find_commands(bash) == [["train", "x", "--out", "y"]]
    assert find_commands(console) == [["skeleton", "show", "a", "--out", "b"]]


def commands(line):
    return find_commands(Block(Path("x.md"), 1, "bash", line, ""))


def test_commands_are_found_behind_other_programs():
    assert commands("cat a | deformgan animate b - --out 'c d'; ls") == [
        ["animate", "b", "-", "--out", "c d"]
    ]
    assert commands("pip install uv && uv run --extra web deformgan studio") == [["studio"]]
    assert commands('srun torchrun --nnodes "$N" -m deformgan train x') == [["train", "x"]]
    assert commands("docker run --rm deformgan studio") == [["studio"]]
    assert commands("docker build -t deformgan .") == []
    assert commands("cd deformgan") == []
