"""Make a run's generator one of the bundled weights, with its terms and measured numbers inside.

python benchmarks/bundle_weights.py runs/pedestrian --name pedestrian --report market.json

Weights that were trained on top of bundled ones are kept as what differs from them, with what
`background.py` measured:

python benchmarks/bundle_weights.py runs/background --name pedestrian-background \
    --report background.json --base pedestrian
"""

import json
from pathlib import Path
from typing import Literal

import torch

from deformgan.checkpoint import BUNDLED, load_generator, save_generator
from deformgan.training.loop import RESULT

TERMS = (
    "trained on Market-1501, whose terms allow academic research only; "
    "the people in it are identifiable, so use it for research and name Zheng et al., ICCV 2015"
)
LARGEST = 16_000_000


def main(
    run: Path,
    /,
    name: str,
    report: Path,
    terms: str = TERMS,
    base: str | None = None,
    bits: Literal[8, 16] = 16,
) -> None:
    """Write `src/deformgan/weights/NAME.safetensors`.

    Args:
        run: Folder of a training run.
        name: What the weights will be called.
        report: What `test_identities.py --json` (or `background.py`) wrote about them.
        terms: What is said when they are loaded; empty for weights without any.
        base: Bundled weights of which only what differs is kept.
        bits: Bits per weight; see `save_generator`.
    """
    generator, metadata = load_generator(run / RESULT, background=True)
    measured = json.loads(report.read_text())
    if terms:
        metadata["terms"] = terms
    metadata |= {
        "measured": {"pairs": measured["pairs"], "with": measured["with"]}
        if base is not None
        else {
            "images": measured["protocol"]["images"],
            "pairs": measured["n"],
            **{
                metric: estimate["value"]
                for metric, estimate in measured["systems"]["generated"].items()
            },
        },
    }
    BUNDLED.mkdir(exist_ok=True)
    path = BUNDLED / f"{name}.safetensors"
    save_generator(path, generator, metadata, torch.int8 if bits == 8 else torch.half, base)
    assert path.stat().st_size <= LARGEST, f"{path} has {path.stat().st_size} bytes"
    print(path, path.stat().st_size, json.dumps(metadata, indent=2))


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
