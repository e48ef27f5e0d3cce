"""Train a recipe on one GPU for a given time, score it on people never trained on, keep figures.

    python benchmarks/gpu/market_training.py --data .carry/market1501.tar \
        --vgg .carry/vgg19_block1_OIHW.npz --wheels .carry/wheels --out OUT --minutes 7

Runs from the root of the repository with nothing but PyTorch, NumPy, Pillow, safetensors and
jaxtyping (what a machine lacks may lie in `--wheels`), so that a bare machine will do. `--out` gets
`result.json`, `sheet.png`, `metrics.jsonl` and, where it has no more than 16 MB,
`generator.safetensors`.
"""

import argparse
import json
import shutil
import sys
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks")]
if "--wheels" in sys.argv:  # pure Python, so they can be imported as they are
    sys.path += map(str, Path(sys.argv[sys.argv.index("--wheels") + 1]).resolve().glob("*.whl"))

import test_identities  # noqa: E402
import torch  # noqa: E402

from deformgan.recipes import RECIPES  # noqa: E402
from deformgan.training.loop import RESULT  # noqa: E402
from deformgan.training.records import METRICS  # noqa: E402
from deformgan.training.run import Run  # noqa: E402

LARGEST_KEPT = 16 * 2**20
TIMED_STEPS = 60  # the first half warms up


def main() -> None:
    """Read the flags, train, score, write."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--data", type=Path, required=True, help="Market-1501, a folder or a .tar")
    flags.add_argument("--rendered", type=Path, help="rendered people, a folder or a .tar")
    flags.add_argument("--vgg", type=Path, required=True)
    flags.add_argument("--wheels", type=Path, help="packages that the machine lacks")
    flags.add_argument("--out", type=Path, required=True)
    flags.add_argument("--recipe", default="pedestrian-base", choices=list(RECIPES))
    flags.add_argument("--batch-size", type=int, default=32)
    flags.add_argument("--minutes", type=float, default=7.0)
    flags.add_argument("--pairs", type=int, default=500)
    flags.add_argument("--device", default="cuda")
    given = flags.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folders = [
            unpacked(path, Path(scratch) / str(place))
            for place, path in enumerate(filter(None, (given.data, given.rendered)))
        ]
        run(given, folders, Path(scratch) / "run")


def unpacked(path: Path, folder: Path) -> Path:
    """Return the data set's folder, out of its tar file if it is one."""
    if path.is_dir():
        return path
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    (only,) = folder.iterdir()
    return only


def run(given: argparse.Namespace, folders: list[Path], scratch: Path) -> None:
    """Train for the time given and score the result."""
    scratch.mkdir()
    device = torch.device(given.device)
    config = replace(RECIPES[given.recipe](), batch_size=given.batch_size, save_every=10**9)
    whole = Run.open(config, folders[:1], folders[1:], vgg=given.vgg, device=device)

    def go(steps: int, resume: bool) -> float:
        begun = time.monotonic()
        plan = replace(
            config,
            steps=steps,
            # As large a part of this run as of the recipe's; the timed steps have none of it.
            decay_steps=config.decay_steps * steps // config.steps if resume else 0,
            log_every=min(200, TIMED_STEPS // 2),
        )
        replace(whole, config=plan).train(scratch, resume=resume)
        return time.monotonic() - begun

    go(TIMED_STEPS // 2, resume=False)
    per_step = go(TIMED_STEPS, resume=True) / (TIMED_STEPS - TIMED_STEPS // 2)
    steps = TIMED_STEPS + max(1, int(given.minutes * 60 / per_step))
    seconds = go(steps, resume=True)
    report, sheet = given.out / "test_identities.json", given.out / "sheet.png"
    test_identities.main(
        folders[0],
        (str(scratch / RESULT),),
        pairs=given.pairs,
        json=report,
        sheet=sheet,
        device=given.device,
    )
    result = {
        "recipe": given.recipe,
        "batch_size": config.batch_size,
        "steps": steps,
        "samples": steps * config.batch_size,
        "samples_per_second": (steps - TIMED_STEPS) * config.batch_size / seconds,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "scores": json.loads(report.read_text())["systems"],
        **whole.metadata,
    }
    (given.out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    shutil.copy(scratch / METRICS, given.out)
    if (scratch / RESULT).stat().st_size <= LARGEST_KEPT:
        shutil.copy(scratch / RESULT, given.out)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
