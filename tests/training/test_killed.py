"""A run that is killed, at any moment, loses nothing but time."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from deformgan.training.checkpoints import checkpoints, steps_saved

SCRIPT = Path(__file__).with_name("small_run.py")
STEPS = 60


def begin(out: Path) -> subprocess.Popen:
    out.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, str(SCRIPT), str(out), str(STEPS)])


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_it_ends_in_the_same_bits(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert begin(whole).wait(timeout=300) == 0
    chance = random.Random(0)
    moments = []
    for _ in range(3):
        before = steps_saved(killed)
        process = begin(killed)
        while steps_saved(killed) == before and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.2)  # in the middle of a step, or of writing
        process.kill()
        process.wait(timeout=60)
        moments.append(steps_saved(killed))
    assert moments == sorted(set(moments))
    assert 0 < moments[0] < moments[-1] < STEPS
    assert begin(killed).wait(timeout=300) == 0
    one, other = (torch.load(checkpoints(out)[-1], weights_only=True) for out in (whole, killed))
    for part in ("generator", "discriminator", "average"):
        for name, value in one[part].items():
            assert torch.equal(value, other[part][name]), (part, name)
    results = [(out / "generator.safetensors").read_bytes() for out in (whole, killed)]
    assert results[0] == results[1]
