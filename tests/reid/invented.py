"""Invented results of an experiment, with known effects, and entries of a manifest."""

import numpy as np

from deformgan.reid.experiment_runs import plan_runs
from deformgan.reid.manifest import GeneratedPhoto

PEOPLE = [f"{row:04d}" for row in range(40) for _ in range(3)]
SHARED = {
    "data": {"folder": "market", "photos": 400, "queries": 120, "gallery": 300},
    "train_identities": 60,
    "test_identities": 40,
    "test_rule": "identity-split",
    "baselines": {
        "light-bot": {
            "network": "light",
            "method": "bot",
            "size": [128, 64],
            "steps": 100,
            "batch_size": 64,
            "optimizer": "adamw",
            "learning_rate": 0.002,
            "added": 24,
            "added_smoothing": 0.1,
            "added_weight": 1.0,
            "added_statistics": "own",
            "switch": 0.4,
            "ramp": 0.0,
        }
    },
    "starts": {"light-bot": "scratch"},
    "teacher": None,
    "augmenters": {"ours": {"folder": "made", "pictures": 400}, "jitter": {"simple": "jitter"}},
    "strays": {"ours": 3},
}
PLANNED = plan_runs(["light-bot"], ["ours", "jitter"], [1, 2], [40, 100], "on", [0, 1, 2])


def invent_results(effects, planned=PLANNED, spread=0.002, by_seed=(0.0, 0.0, 0.0)):
    """Return invented results: a query's score is its difficulty, the effect and noise."""
    random = np.random.default_rng(0)
    hard = random.uniform(0.1, 0.5, len(PEOPLE))
    of_seed = random.normal(0, 0.01, 10)
    results = {}
    for one in planned:
        effect = effects.get((one.augmenter, one.fraction), 0.0)
        effect += by_seed[one.seed] if effect else 0.0
        noise = random.normal(0, 0.03, len(PEOPLE))
        shift = of_seed[one.seed] + random.normal(0, spread)
        scores = {
            "map": (hard + effect + noise - noise.mean() + shift).clip(0, 1),
            "rank1": (hard + effect > 0.3).astype(float),
            "minp": (hard / 2 + effect).clip(0, 1),
        }
        results[one] = {
            "metrics": {name: float(values.mean()) for name, values in scores.items()},
            "queries": {
                "person": " ".join(PEOPLE),
                **{name: " ".join(map(str, values)) for name, values in scores.items()},
            },
            "photos": {
                "real": 160,
                "identities": 20,
                "generated": 150 * (one.alpha - 1),
                "missing": 10 * (one.alpha - 1),
                "alpha": 1.0 + 150 / 160 * (one.alpha - 1),
            },
            "seen": {"real": 6400, "generated": 0, "steps": 100},
            "seconds": {"train": 60.0},
        }
    return results


def generated_photo(name, source, **changes) -> GeneratedPhoto:
    """Return an entry of a manifest; what is not given has some value."""
    values = {
        "target": "0002_c1s1_000451_03.jpg",
        "identity": source[:4],
        "label": "same",
        "camera": 1,
        "number": 1,
        "seed": 0,
        "attempt": 0,
        "weights": "pedestrian",
        "weights_sha256": "0" * 64,
        "scores": {},
    }
    return GeneratedPhoto(name=name, source=source, **(values | changes))
