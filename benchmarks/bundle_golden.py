"""Make the small golden folder that `deformgan verify` reads without an argument.

python benchmarks/bundle_golden.py ../shared/golden

It covers poses, heatmaps, masks, transforms, the deformable skip, losses, scores, tables and the
shapes of the networks, with fewer cases and without the networks' weights. It contains no photo.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from deformgan.verify.golden import BUNDLED, MANIFEST

WHOLE = (
    "tables/*",
    "demo_carry_over.npz",
    "geometry_units.npz",
    "nn_loss.npz",
    "inception_score.npz",
    "net/full_size_shapes.json",
)
KEY = "128x64"
PAIRS = 16  # of 60
DRAWN = 2  # of 5 drawn poses
LEVELS = ("32x16", "16x8")  # of the four warped ones
LARGEST = 400_000


def main(golden: Path) -> None:
    """Write the folder `BUNDLED`."""
    shutil.rmtree(BUNDLED, ignore_errors=True)
    for file in sorted(path for pattern in WHOLE for path in golden.glob(pattern)):
        copy = BUNDLED / file.relative_to(golden)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    poses = dict(np.load(golden / f"poses_{KEY}.npz"))
    warp = dict(np.load(golden / "warp.npz"))
    rows = _choose(poses, warp)
    arrays = dict[str, Any](_poses(poses, rows))
    np.savez_compressed(BUNDLED / f"poses_{KEY}.npz", **arrays)
    arrays = dict[str, Any](_warp(warp, rows))
    np.savez_compressed(BUNDLED / "warp.npz", **arrays)
    listed = {
        path.relative_to(BUNDLED).as_posix(): _entry(path)
        for path in sorted(BUNDLED.rglob("*"))
        if path.is_file()
    }
    (BUNDLED / MANIFEST).write_text(json.dumps(listed, indent=1) + "\n")
    size = sum(path.stat().st_size for path in BUNDLED.rglob("*") if path.is_file())
    assert size <= LARGEST, size
    print(f"{BUNDLED}: {len(listed)} files, {size} bytes")


def _choose(poses: dict[str, np.ndarray], warp: dict[str, np.ndarray]) -> list[int]:
    """Choose pairs: the first ones, which are drawn, those that are warped, one of each tag."""
    needed = [*range(DRAWN), *warp[f"pair_ids_{KEY}"].tolist(), int(poses["heat_full_ids"][0])]
    first_of_tag = {tag: row for row, tag in reversed(list(enumerate(poses["tags"].tolist())))}
    return list(dict.fromkeys([*needed, *sorted(first_of_tag.values())]))[:PAIRS]


def _poses(poses: dict[str, np.ndarray], rows: list[int]) -> dict[str, np.ndarray]:
    count = len(poses["kp_to"])
    found = {
        name: array[rows] if array.ndim and len(array) == count else array
        for name, array in poses.items()
    }
    found["heat_full"] = poses["heat_full"][:1]
    found["heat_full_ids"] = np.array([rows.index(int(poses["heat_full_ids"][0]))])
    for name in ("draw_colors", "draw_mask_packed", "stickman_x2"):
        found[name] = poses[name][:DRAWN]
    return found


def _warp(warp: dict[str, np.ndarray], rows: list[int]) -> dict[str, np.ndarray]:
    found = {name: warp[f"{name}_{KEY}"] for name in ("affine", "uniform", "masks_packed")}
    found = {f"{name}_{KEY}": array for name, array in found.items()}
    found[f"pair_ids_{KEY}"] = np.array([rows.index(row) for row in warp[f"pair_ids_{KEY}"]])
    endings = tuple(f"_{level}_of_{KEY}" for level in LEVELS)
    return found | {name: array for name, array in warp.items() if name.endswith(endings)}


def _entry(path: Path) -> dict:
    content = path.read_bytes()
    entry: dict = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            entry["arrays"] = {name: [list(a.shape), str(a.dtype)] for name, a in arrays.items()}
    return entry


if __name__ == "__main__":
    main(Path(sys.argv[1]))
