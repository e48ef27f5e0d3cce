"""The page guesses the legs that a photo cuts off as Python does."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch

from deformgan.legs import complete_legs
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.studio.shipped import PAGE

SCRIPT = """
import { readFileSync } from "node:fs";
import { Skeleton } from "./skeleton.js";
const { skeleton, poses, rows } = JSON.parse(readFileSync("given.json"));
const here = new Skeleton(skeleton);
process.stdout.write(JSON.stringify(poses.map((pose) => here.completeLegs(pose, rows))));
"""
ROWS = 128


def complete_in_the_page(tmp_path, poses):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node, which runs the page's modules")
    for name in ("skeleton.js", "images.js"):
        shutil.copy(PAGE / name, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "main.js").write_text(SCRIPT)
    described = [
        {"joints": joints.tolist(), "visible": visible.tolist()}
        for joints, visible in zip(poses.joints, poses.visible, strict=True)
    ]
    skeleton = {"joints": OPENPOSE18.joints, "limbs": [], "mirrored": [], "mandatory": []}
    given = {"skeleton": skeleton, "poses": described, "rows": ROWS}
    (tmp_path / "given.json").write_text(json.dumps(given))
    run = subprocess.run(
        [node, "main.js"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    return np.array([pose["joints"] for pose in found]), [pose["visible"] for pose in found]


def test_equal_to_python(tmp_path, people):
    count = 300
    random = torch.Generator().manual_seed(0)
    poses = people(count, (ROWS, 64))
    # Moved down and enlarged, so that the edge cuts at any height; some upside down or lying.
    scale = 1 + torch.rand(count, 1, 1, generator=random)
    turn = torch.randn(count, generator=random) * 0.6
    turns = torch.stack([turn.cos(), -turn.sin(), turn.sin(), turn.cos()], 1).reshape(-1, 2, 2)
    joints = (poses.joints - 32) @ turns * scale + torch.tensor([32.0, 40.0])
    hidden = torch.rand(count, 18, generator=random) < 0.15
    poses = Pose(joints, ~hidden & (joints[..., 1] < ROWS))
    wanted = complete_legs(poses, OPENPOSE18, (ROWS, 64))
    added = wanted.visible & ~poses.visible
    assert 50 < int(added.any(dim=1).sum()) < count
    places, visible = complete_in_the_page(tmp_path, poses)
    assert visible == wanted.visible.tolist()
    shown = wanted.visible.numpy()
    np.testing.assert_allclose(places[shown], wanted.joints.numpy()[shown], atol=1e-4)
