"""Joints that a video frame does not show, taken from earlier frames."""

import torch

from deformgan.pose import Pose
from deformgan.verify.sheet import Ledger

_MISSING = -1


def check_carry_over(ledger: Ledger, file: str) -> None:
    """Compares demo_carry_over.npz."""
    sheet = ledger.sheet(file)
    detected = torch.from_numpy(sheet["detected"])
    # The demonstration carries each coordinate over by itself: every one is a joint of its own.
    coordinates = detected.double().flatten(1)[..., None].expand(-1, -1, 2)
    filled = Pose(coordinates, coordinates[..., 0] != _MISSING).carry_over()
    ours = torch.where(filled.visible, filled.joints[..., 0], _MISSING).view(detected.shape)
    found = sheet.same("filled", ours)
    sheet.proved_by(["detected"], [found])
