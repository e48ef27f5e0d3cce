"""Trains Re-ID networks with and without generated photos on one GPU, as many as time allows.

    python benchmarks/gpu/reid_experiment.py --data .carry/market1501.tar \
        --wheels .carry/wheels --out OUT --minutes 9

Generates the photos first (`--per-image` of every photo, by the bundled weights; or takes them from
`--augmented NAME=FOLDER`), then makes the runs of `deformgan reid experiment` seed after seed, so
that whatever is done is balanced. ResNet-50 learns from scratch. `--out` gets the experiment's
report with its figures, and `augment-report.json`. Started again with the same `--out` it goes on;
networks are not kept.

Runs from the root of the repository with nothing but PyTorch, torchvision, NumPy, Pillow,
safetensors and jaxtyping (what a machine lacks may lie in `--wheels`).
"""

import argparse
import sys
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src")]
if "--wheels" in sys.argv:  # pure Python, so they can be imported as they are
    sys.path += map(str, Path(sys.argv[sys.argv.index("--wheels") + 1]).resolve().glob("*.whl"))

import torch  # noqa: E402

from deformgan.cli.reid.experiment import write  # noqa: E402
from deformgan.reid.augment import REPORT, augment  # noqa: E402
from deformgan.reid.baseline import BaselineConfig  # noqa: E402
from deformgan.reid.baselines import BASELINES  # noqa: E402
from deformgan.reid.experiment import Experiment  # noqa: E402
from deformgan.reid.experiment_runs import execute_runs, plan_runs  # noqa: E402
from deformgan.reid.gate import QualityGate  # noqa: E402
from deformgan.training.launch import open_fabric  # noqa: E402

OURS = "ours"


def main() -> None:
    """Read the flags, generate, train, write."""
    begun = time.monotonic()
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--data", type=Path, required=True, help="Market-1501, a folder or a .tar")
    flags.add_argument("--augmented", nargs="*", default=[], help="NAME=FOLDER or NAME=FILE.tar")
    flags.add_argument("--weights", default="pedestrian", help="what generates the photos")
    flags.add_argument("--per-image", type=int, default=9, help="0 generates none")
    flags.add_argument("--no-gate", action="store_true", help="keep every generated photo")
    flags.add_argument("--simple", nargs="*", default=["jitter", "affine", "copy"])
    flags.add_argument("--wheels", type=Path, help="packages that the machine lacks")
    flags.add_argument("--out", type=Path, required=True)
    flags.add_argument("--baseline", default="bot-resnet50", choices=list(BASELINES))
    flags.add_argument("--steps", type=int, default=1_000)
    flags.add_argument("--batch-size", type=int, default=64)
    flags.add_argument("--size", type=int, nargs=2, help="height and width of the images")
    flags.add_argument("--alphas", type=int, nargs="+", default=[1, 2, 10])
    flags.add_argument("--fractions", type=int, nargs="+", default=[100])
    flags.add_argument("--erasing", default="on", choices=["on", "off", "both"])
    flags.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    flags.add_argument("--minutes", type=float, default=9.0, help="for all of it")
    flags.add_argument("--device", default="cuda")
    given = flags.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    deadline = begun + 60 * given.minutes
    with tempfile.TemporaryDirectory() as scratch:
        folders: dict[str, Path | None] = {}
        data = unpacked(given.data, Path(scratch) / "data")
        if given.per_image:
            folders[OURS] = generated(given, data, Path(scratch) / "augmented")
        for word in given.augmented:
            name, _, place = word.partition("=")
            folders[name] = unpacked(Path(place), Path(scratch) / name)
        run(given, data, folders | dict.fromkeys(given.simple), deadline)


def generated(given: argparse.Namespace, data: Path, out: Path) -> Path:
    """Generate photos, which are too many to keep; the report about them is kept."""
    begun = time.monotonic()
    report = augment(
        data,
        out,
        weights=given.weights,
        per_image=given.per_image,
        gate=None if given.no_gate else QualityGate(),
        device=given.device,
    )
    assert report is not None  # one process, which leads
    report.save(given.out / REPORT)
    seconds = time.monotonic() - begun
    print(f"{report.counts['written']} photos generated in {seconds:.0f} s", flush=True)
    return out


def unpacked(path: Path, folder: Path) -> Path:
    """Return the data set's folder, out of its tar file if it is one."""
    if path.is_dir():
        return path
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    (only,) = folder.iterdir()
    return only


def run(
    given: argparse.Namespace, data: Path, folders: dict[str, Path | None], deadline: float
) -> None:
    """Execute as many runs as time allows, and write the report after each."""
    config = scaled(BASELINES[given.baseline](), given)
    planned = plan_runs(
        [given.baseline], list(folders), given.alphas, given.fractions, given.erasing, given.seeds
    )
    fabric = open_fabric(torch.device(given.device))
    trial = Experiment.open(data, {given.baseline: config}, folders, fabric, keep_weights=False)
    left = execute_runs(
        planned,
        given.out,
        trial.settings,
        trial.measure,
        report=lambda line: print(line, flush=True),
        deadline=deadline,
        finished=lambda: write(given.out, planned, trial),
    )
    write(given.out, planned, trial)
    print(f"{len(planned) - len(left)} of {len(planned)} runs done")


def scaled(config: BaselineConfig, given: argparse.Namespace) -> BaselineConfig:
    """Fit a baseline to the steps that there is time for; its warm-up keeps its share of them."""
    return replace(
        config,
        steps=given.steps,
        warm_up=config.warm_up * given.steps // config.steps,
        batch_size=given.batch_size,
        size=tuple(given.size or config.size),
        precision="auto",
        log_every=max(1, given.steps // 10),
        save_every=10**9,
    )


if __name__ == "__main__":
    main()
