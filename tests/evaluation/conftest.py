"""Reports of systems, as `deformgan evaluate` writes them."""

import json

import numpy as np
import pytest

PROTOCOL = {"name": "deformgan-1", "ssim": {"taps": 11}, "pairs": 4, "pairs_sha256": "0"}


@pytest.fixture
def report(tmp_path):
    """Return a function that makes the report of a system from its numbers per pair.

    Its `protocol` has what is other than in `PROTOCOL`.
    """
    # Imported here because the shape checks are not installed yet when this file is read.
    from deformgan.evaluation.comparison import Report

    def make(label, numbers, pairs=None, asked=None, protocol=None, metrics=None, **more):
        count = len(next(iter(numbers.values())))
        pairs = pairs or [(f"s{row}.png", f"t{row}.png") for row in range(count)]
        described = {
            name: {
                "value": float(np.nanmean([np.nan if v is None else v for v in values])),
                "ci95": [0.1, 0.2],
                "what": f"what {name} is",
            }
            for name, values in numbers.items()
        }
        file = tmp_path / f"{label}.json"
        data = {
            "protocol": {**PROTOCOL, **(protocol or {})},
            "n": count,
            "metrics": {**described, **(metrics or {})},
            "unavailable": {},
            "pairs": {
                "from": [source for source, _ in pairs],
                "to": [target for _, target in pairs],
                "asked_joints": asked or [18] * count,
                "numbers": {name: list(values) for name, values in numbers.items()},
            },
            "system": {"generated": "somewhere"},
            **more,
        }
        file.write_text(json.dumps(data))
        return Report.read(file, label)

    return make


@pytest.fixture
def random_numbers():
    """Return a function that makes numbers per pair of two systems that resemble each other."""

    def make(count=12, seed=0, shift=0.0):
        random = np.random.default_rng(seed)
        first = random.uniform(size=count)
        return first.tolist(), (first + shift + random.normal(0, 0.1, count)).tolist()

    return make
