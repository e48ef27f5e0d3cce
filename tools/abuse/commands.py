"""Every command that writes, at a size that takes a moment.

Used by `tests/cases/test_full_disk.py` and `benchmarks/kills.py`. Left out: `convert` (needs the
extra `keras` and a Keras file), `verify` (needs golden numbers), `bench` (takes a minute),
`studio --export` (needs npm) and the two servers.
"""

import json
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from deformgan.checkpoint import save_generator
from deformgan.datasets.bundled_people import FOLDER
from deformgan.models.generator import Generator
from deformgan.models.generator_config import GeneratorConfig
from deformgan.study.config import read_study
from deformgan.study.store import Store

_TINY = GeneratorConfig(encoder_widths=(4, 4, 4), decoder_widths=(4, 4), upsampling="resize")
_WIDTHS = (
    "--generator.encoder-widths 4 4 4 --generator.decoder-widths 4 4 --discriminator.widths 4 4"
)
_PEOPLE, _TEST_PEOPLE = 6, 2


@dataclass(frozen=True)
class Command:
    """A command line and what is known about its output.

    Attributes:
        line: Words after `deformgan`, separated by spaces; GIVEN and OUT stand for folders.
        resume: Words to add when it is started again after it was interrupted.
        varies: Names of outputs that differ from run to run: times, speeds, dates.
        needs: Package without which the command is not run.
        long: Whether it works for long in practice, so that it may be killed in the middle.
    """

    line: str
    resume: str = ""
    varies: tuple[str, ...] = ()
    needs: str | None = None
    long: bool = True

    def words(self, given: Path, out: Path, *, again: bool = False) -> list[str]:
        """Return the command line.

        Args:
            given: Folder that `prepare` filled.
            out: An existing folder for the output.
            again: Whether an interrupted call goes on.
        """
        folders = {"GIVEN": str(given), "OUT": str(out)}
        words = f"{self.line} {self.resume if again else ''}".split()
        for name, folder in folders.items():
            words = [word.replace(name, folder) for word in words]
        return words

    @property
    def available(self) -> bool:
        """Whether the package that it needs is installed."""
        return self.needs is None or find_spec(self.needs) is not None


_PHOTO = "GIVEN/people/bounding_box_train/0001_c1s1_000001_00.jpg"
_POSE = "GIVEN/people/annotation.csv:0001_c2s1_000001_00.jpg"
_SOURCE_POSE = "--source-pose GIVEN/people/annotation.csv:0001_c1s1_000001_00.jpg"
_TRAINED = ("metrics.jsonl", "generator.safetensors", "baseline.safetensors", "*.pt")

COMMANDS = {
    "generate": Command(
        f"generate {_PHOTO} {_POSE} {_SOURCE_POSE} --weights GIVEN/tiny.safetensors --out "
        "OUT/o.png --json OUT/o.json",
        varies=("o.json",),
        long=False,
    ),
    "generate a folder": Command(
        f"generate {_PHOTO} --poses GIVEN/poses.csv {_SOURCE_POSE} --weights "
        "GIVEN/tiny.safetensors --out OUT/made",
    ),
    "animate": Command(
        f"animate {_PHOTO} GIVEN/people/annotation.csv {_SOURCE_POSE} --weights "
        "GIVEN/tiny.safetensors --out OUT/o.gif --json OUT/o.json",
        varies=("o.json",),
    ),
    "animate a video": Command(
        f"animate {_PHOTO} GIVEN/people/annotation.csv {_SOURCE_POSE} --weights "
        "GIVEN/tiny.safetensors --out OUT/o.mp4",
        needs="av",
    ),
    "pose": Command("pose GIVEN/people/bounding_box_train --out OUT/p.csv"),
    "explain": Command(
        f"explain {_PHOTO} {_POSE} {_SOURCE_POSE} --weights GIVEN/tiny.safetensors --out OUT/e",
        long=False,
    ),
    "skeleton show": Command(
        "skeleton show openpose18 --out OUT/s.png --json OUT/s.json", long=False
    ),
    "data check": Command("data check GIVEN/people --json OUT/c.json", long=False),
    "data pairs": Command("data pairs GIVEN/people --out OUT/p.csv --json OUT/p.json", long=False),
    "data synthesize": Command(
        "data synthesize --people 2 --per-person 2 --size 64x32 --workers 1 --out OUT/crowd",
        needs="anny",
    ),
    "train": Command(
        "train quickstart --data GIVEN/people --out OUT/run --steps 6 --batch-size 2 --log-every 2 "
        f"--save-every 1 {_WIDTHS}",
        resume="--resume",
        varies=_TRAINED,
    ),
    "ablate": Command(
        "ablate --recipe paper-market-small --variants baseline dsc --data GIVEN/people --out "
        "OUT/ablation --steps 3 --batch-size 2 --save-every 1 --log-every 1 --pairs 2 "
        f"--weights.nearest-neighbour 0 --weights.nearest-neighbour-pixels 0.5 {_WIDTHS}",
        resume="--resume",
        varies=(*_TRAINED, "ablation.json", "ablation.md"),
    ),
    "evaluate": Command(
        "evaluate --images GIVEN/people/bounding_box_train --annotations "
        "GIVEN/people/annotation.csv --pairs GIVEN/pairs.csv --weights GIVEN/tiny.safetensors "
        "--save-generated OUT/made --metrics ssim --json OUT/r.json",
        varies=("r.json",),
    ),
    "compare": Command(
        "compare GIVEN/a.json GIVEN/b.json --out OUT/t --json OUT/c.json", long=False
    ),
    "reid augment": Command(
        "reid augment --data GIVEN/people --weights GIVEN/tiny.safetensors --out OUT/set --no-gate "
        "--per-image 2 --shard-size 2 --json OUT/a.json",
        varies=("a.json",),
    ),
    "reid augment into tar files": Command(
        "reid augment --data GIVEN/people --weights GIVEN/tiny.safetensors --out OUT/set --no-gate "
        "--shard-size 2 --format webdataset",
    ),
    "reid train": Command(
        "reid train light-ide --data GIVEN/people --out OUT/run --steps 4 --save-every 1 "
        "--log-every 2 --batch-size 8 --size 64 32",
        resume="--resume",
        varies=_TRAINED,
    ),
    "reid evaluate": Command(
        "reid evaluate --data GIVEN/people --extractor GIVEN/vectors.npz --json OUT/r.json",
        varies=("r.json",),
        long=False,
    ),
    "reid experiment": Command(
        "reid experiment --data GIVEN/people --out OUT/trial --baselines light-ide --augmenters "
        "copy --alphas 1 2 --seeds 0 --steps 2 --batch-size 8 --size 64 32",
        varies=("result.json", "settings.json", "experiment.*", "lock", *_TRAINED),
    ),
    "study report": Command(
        "study report GIVEN/study/study.toml --out OUT/report --unfinished --json OUT/r.json",
        long=False,
    ),
    "export": Command(
        "export GIVEN/tiny.safetensors --out OUT/graphs --precision fp32",
        varies=("export.json",),
        needs="onnxscript",
    ),
}

_REPORT = {
    "protocol": {"name": "deformgan-1", "size": [128, 64], "pairs": 2},
    "metrics": {"ssim": {"value": 0.5, "ci95": [0.4, 0.6], "what": "similarity"}},
    "unavailable": {},
    "pairs": {
        "from": ["a", "b"],
        "to": ["c", "d"],
        "asked_joints": [1, 2],
        "numbers": {"ssim": [0.4, 0.6]},
    },
    "system": {"weights": "pedestrian"},
}


def prepare(folder: Path) -> None:
    """Write what the commands read: a few bundled people, weights of a few channels, a study."""
    photos = folder / "people" / "bounding_box_train"
    photos.mkdir(parents=True)
    lines = (FOLDER / "annotation.csv").read_text().splitlines()
    people = [f"{who:04d}" for who in range(1, _PEOPLE + 1)]
    kept = [line for line in lines[1:] if line[:7] in {f"{p}_c{c}" for p in people for c in (1, 2)}]
    names = [line.partition(":")[0] for line in kept]
    for name in names:
        shutil.copy(FOLDER / "bounding_box_train" / name, photos / name)
    (folder / "people" / "annotation.csv").write_text("\n".join([lines[0], *kept, ""]))
    whole = sorted(kept, key=lambda line: line.count("-1"))[:4]  # fewest joints hidden
    (folder / "poses.csv").write_text("\n".join([lines[0], *whole, ""]))
    split = {"train": people[:-_TEST_PEOPLE], "test": people[-_TEST_PEOPLE:]}
    (folder / "people" / "identity-split.json").write_text(json.dumps(split))
    (folder / "pairs.csv").write_text("\n".join(["from,to", f"{names[0]},{names[1]}", ""]))
    torch.manual_seed(0)
    save_generator(folder / "tiny.safetensors", Generator(_TINY), {"size": [128, 64]})
    for name in ("a.json", "b.json"):
        (folder / name).write_text(json.dumps(_REPORT))
    vectors = np.random.default_rng(0).normal(size=(len(names), 8)).astype(np.float32)
    np.savez(folder / "vectors.npz", names=np.array(names), vectors=vectors)
    _prepare_study(folder / "study")


def _prepare_study(folder: Path) -> None:
    for side, grey in (("real", 90), ("generated", 160)):
        (folder / side).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 16), (grey, 30 * number, 0)).save(folder / side / f"{number}.png")
    sides = [f'[{side}]\nfolder = "{side}"\ncount = 3' for side in ("real", "generated")]
    file = folder / "study.toml"
    file.write_text("\n".join(['mode = "real-or-fake"', "practice = 2", *sides, ""]))
    store = Store(read_study(file))
    for who in (store.join(), store.join()):
        for position in range(store.done(who)[1]):
            store.answer(who, position, "real" if position % 2 else "fake", 900.0 + position)
