"""A small study in a folder."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_study(tmp_path):
    """Write folders of pictures and the study's file, and return its path."""

    def make(mode="real-or-fake", count=6, practice=2, seconds=0.2, **more):
        random = np.random.default_rng(0)
        folders = ("real", "generated") if mode == "real-or-fake" else ("a", "b", "reference")
        for folder in folders:
            (tmp_path / folder).mkdir(exist_ok=True)
            for number in range(count + 2):
                colors = random.integers(0, 255, (4, 2, 3), dtype=np.uint8)
                picture = Image.fromarray(colors).resize((64, 128), Image.Resampling.BICUBIC)
                picture.save(tmp_path / folder / f"{number:02d}.png")
        lines = [f'mode = "{mode}"', 'title = "Which are real?"', f"practice = {practice}"]
        lines += [f"seconds = {seconds}", *(f"{name} = {value}" for name, value in more.items())]
        if mode == "real-or-fake":
            for name in ("real", "generated"):
                lines += [f"[{name}]", f'folder = "{name}"', f"count = {count}"]
        else:
            lines += [f"count = {count}", 'reference = "reference"']
            lines += [
                "[a]",
                'folder = "a"',
                'name = "ours"',
                "[b]",
                'folder = "b"',
                'name = "theirs"',
            ]
        path = tmp_path / "study.toml"
        path.write_text("\n".join(lines) + "\n")
        return path

    return make
