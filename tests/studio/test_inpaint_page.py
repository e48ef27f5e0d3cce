"""The page's filling of holes equals Python's."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch

from deformgan.inpainting import inpaint
from deformgan.studio.shipped import PAGE

SCRIPT = """
import { readFileSync } from "node:fs";
import { inpaint } from "./inpaint.js";
const { size, rgb, hole } = JSON.parse(readFileSync("given.json"));
const filled = inpaint(Uint8Array.from(rgb), size, Uint8Array.from(hole));
process.stdout.write(JSON.stringify(Array.from(filled)));
"""


def fill_in_the_page(tmp_path, image, hole):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node, which runs the page's modules")
    for name in ("inpaint.js", "images.js"):
        shutil.copy(PAGE / name, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "main.js").write_text(SCRIPT)
    given = {"size": hole.shape, "rgb": image.ravel().tolist(), "hole": hole.ravel().tolist()}
    (tmp_path / "given.json").write_text(json.dumps(given))
    run = subprocess.run(
        [node, "main.js"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    return np.array(json.loads(run.stdout)).reshape(image.shape)


@pytest.mark.parametrize(
    ("size", "hole"),
    [((120, 60), (20, 100, 20, 40)), ((33, 90), (0, 33, 50, 90)), ((6, 6), (1, 3, 1, 3))],
)
def test_equal_to_python(tmp_path, size, hole):
    random = np.random.default_rng(0)
    cells = random.integers(0, 256, (-(-size[0] // 5), -(-size[1] // 5), 3), dtype=np.uint8)
    image = cells.repeat(5, 0).repeat(5, 1)[: size[0], : size[1]]
    lost = np.zeros(size, dtype=np.uint8)
    lost[hole[0] : hole[1], hole[2] : hole[3]] = 1
    wanted = inpaint(
        torch.from_numpy(image).permute(2, 0, 1).float() - 127.5, torch.from_numpy(lost > 0)
    )
    found = fill_in_the_page(tmp_path, image, lost)
    away = np.abs(found - (wanted.permute(1, 2, 0).numpy() + 127.5))
    assert (away < 0.01).mean() > 0.99, away.max()
    assert (away[lost == 0] == 0).all()
