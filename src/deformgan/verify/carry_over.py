"""Checks of joints that are missing in a video frame and carried over from earlier frames."""

import torch

from deformgan.pose import Pose
from deformgan.verify.checks import AllChecks

_MISSING = -1


def check_carry_over(all_checks: AllChecks, file: str) -> None:
    """Check demo_carry_over.npz."""
    checks = all_checks.of_file(file)
    detected = torch.from_numpy(checks["detected"])
    # The demonstration carries over each coordinate separately: treat each one as a joint.
    coordinates = detected.double().flatten(1)[..., None].expand(-1, -1, 2)
    filled = Pose(coordinates, coordinates[..., 0] != _MISSING).carry_over()
    ours = torch.where(filled.visible, filled.joints[..., 0], _MISSING).view(detected.shape)
    found = checks.same("filled", ours)
    checks.proved_by(["detected"], [found])
