"""Checks of the nearest-neighbour loss and its gradient, L1 and total variation."""

import re

import numpy as np
import torch

from deformgan.losses.l1 import l1_loss
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss
from deformgan.losses.total_variation import total_variation_loss
from deformgan.verify.checks import AllChecks, FileChecks, Finding
from deformgan.verify.tolerances import NEAREST_NEIGHBOUR


def check_nn_loss(all_checks: AllChecks, file: str) -> None:
    """Check nn_loss.npz."""
    checks = all_checks.of_file(file)
    for name in list(checks.arrays):
        if name.startswith("real_"):
            _case(checks, name.removeprefix("real_"))


def _case(checks: FileChecks, case: str) -> None:
    real, fake = (
        torch.from_numpy(checks[f"{name}_{case}"]).double().permute(0, 3, 1, 2)
        for name in ("real", "fake")
    )

    def close(name: str, ours: torch.Tensor) -> Finding:
        return checks.close(name, ours, NEAREST_NEIGHBOUR * float(np.abs(checks[name]).max()))

    findings = []
    for name in list(checks.arrays):
        if match := re.fullmatch(rf"map_{re.escape(case)}_n(\d+)", name):
            window = int(match[1])
            moving = fake.clone().requires_grad_()
            distances = nearest_neighbour_loss(moving, real, window, reduction="none")
            (gradient,) = torch.autograd.grad(distances.mean(), moving)
            mean = nearest_neighbour_loss(fake, real, window)
            findings += [
                close(name, distances),
                close(f"mean_{case}_n{window}", mean),
                close(f"grad_{case}_n{window}", gradient.permute(0, 2, 3, 1)),
            ]
    findings.append(close(f"l1_{case}", l1_loss(fake, real)))
    checks.proved_by([f"real_{case}", f"fake_{case}"], findings)
    variation = close(f"tv_{case}", total_variation_loss(fake))
    checks.proved_by([f"fake_{case}"], [variation])
