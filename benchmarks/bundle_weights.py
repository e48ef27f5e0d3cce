"""Makes a run's generator one of the bundled weights, with its terms and measured numbers inside.

python benchmarks/bundle_weights.py runs/pedestrian --name pedestrian --report market.json
"""

import json
from pathlib import Path

from deformgan.checkpoint import BUNDLED, load_generator, save_generator
from deformgan.training.loop import RESULT

TERMS = (
    "trained on Market-1501, whose terms allow academic research only; "
    "the people in it are identifiable, so use it for research and name Zheng et al., ICCV 2015"
)
LARGEST = 16_000_000


def main(run: Path, /, name: str, report: Path, terms: str = TERMS) -> None:
    """Writes `src/deformgan/weights/NAME.safetensors`.

    Args:
        run: Folder of a training run.
        name: What the weights will be called.
        report: What `market_test_identities.py --json` wrote about these weights.
        terms: What is said when they are loaded; empty for weights without any.
    """
    generator, metadata = load_generator(run / RESULT, background=True)
    measured = json.loads(report.read_text())
    if terms:
        metadata["terms"] = terms
    metadata |= {
        "measured": {
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
    save_generator(path, generator, metadata)
    assert path.stat().st_size <= LARGEST, f"{path} has {path.stat().st_size} bytes"
    print(path, path.stat().st_size, json.dumps(metadata, indent=2))


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
