"""How still does `animate` hold: flicker of a still pose, and what smoothing costs a walk.

    python benchmarks/flicker.py --weights pedestrian --json flicker.json \
        --walk ../shared/walk/frames

The bundled person stands still, and walks the bundled walk, with random jitter of `--pixels` on
every joint (at 128 rows), like a detector's. Joints are used as they are, fitted over five frames,
or smoothed as `animate` does. Frame difference: mean absolute difference between neighbouring
frames, in grey levels. Flicker: the same for the difference from the animation without jitter;
both are equal for a still pose. `--walk`, a folder of photos of a walking person, adds second
differences over time, of the detected joints and of the animation.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from deformgan.datasets.bundled_people import bundled_people, bundled_walk
from deformgan.files import write_json
from deformgan.inputs import PosedPhoto, read_frames, read_source
from deformgan.motion import SMOOTHING, follow, smooth, steady
from deformgan.pose import Pose
from deformgan.predict import PoseTransfer
from deformgan.provenance import provenance
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)


def main(
    weights: str = "pedestrian",
    json: Path | None = None,
    pixels: float = 0.5,
    seed: int = 0,
    walk: Path | None = None,
) -> None:
    """Paint and measure.

    Args:
        weights: With layers or without.
        json: Where to write.
        pixels: Standard deviation of the tremble.
        seed: Of the tremble.
        walk: A folder of frames.
    """
    torch.set_num_threads(1)
    transfer = PoseTransfer.from_pretrained(weights)
    view, loop = bundled_people()[0][0], bundled_walk()
    exact = {"still": Pose.cat([loop[[0]]] * 2 * len(loop)), "walk": Pose.cat([loop] * 2)}
    report: dict[str, Any] = {"weights": weights, "pixels": pixels, **provenance()}

    def film(poses: Pose, size: tuple[int, int] | None = SIZE) -> np.ndarray:
        people = [read_source(view.photo, view.pose)]
        return np.stack(list(transfer.generate(people, PosedPhoto(poses, size)))).astype(float)

    for name, poses in exact.items():
        random = torch.Generator().manual_seed(seed)
        tremble = pixels * torch.randn(poses.joints.shape, generator=random)
        wanted = film(poses)
        ways = {"exact": poses, **smoothed(Pose(poses.joints + tremble, poses.visible))}
        for way, frames in ways.items():
            painted = film(frames)
            apart = (frames.joints - poses.joints)[:, poses.visible.all(dim=0)].norm(dim=2)
            report[f"{name}_{way}"] = found = {
                "frame_difference": change(painted),
                "flicker": change(painted - wanted),
                "joints_rms": apart.square().mean().sqrt().item(),
            }
            print(name, way, found, flush=True)
        still_so = steady(poses, OPENPOSE18).joints - poses.joints
        cost = still_so[:, poses.visible.all(dim=0)].square().sum(dim=2).mean().sqrt().item()
        report[f"{name}_smoothing_error"] = cost
        print(name, "error of smoothing what does not tremble", cost)
    if walk is not None:
        seen = read_frames(walk, "pose18")
        for way, frames in smoothed(seen.pose).items():
            painted = film(follow(frames, OPENPOSE18), seen.size)
            report[f"photos_{way}"] = found = {
                "acceleration": acceleration(torch.from_numpy(painted)),
                "joint_acceleration": acceleration(frames.joints[:, frames.visible.all(dim=0)]),
                "frame_difference": change(painted),
            }
            print("photos", way, found, flush=True)
    if json is not None:
        write_json(json, report)


def smoothed(frames: Pose) -> dict[str, Pose]:
    """Return the usable frames as they are, fitted over a few alone, and made steady."""
    seen = steady(frames, OPENPOSE18, 0.0)
    return {
        "unsmoothed": seen,
        "fitted": Pose(smooth(seen.joints, SMOOTHING, degree=2), seen.visible),
        "steady": steady(frames, OPENPOSE18),
    }


def change(film: np.ndarray) -> float:
    """Average the absolute difference between neighbouring frames."""
    return float(np.abs(np.diff(film, axis=0)).mean())


def acceleration(values: Float[Tensor, "frames ..."]) -> float:
    """Average the absolute second difference over time."""
    return values.diff(n=2, dim=0).abs().mean().item()


if __name__ == "__main__":
    tyro.cli(main)
