"""How far a layered generator's field is from the truth, which is known of rendered people.

    deformgan data synthesize --people 40 --per-person 5 --size 256x128 --seed 77 --out test
    python benchmarks/field_truth.py --data test --weights generator.safetensors --json field.json

Errors are in pixels of the network's own rows (128), by the parts' transforms alone ("base") and
corrected ("field"), each a mean over surface: of the pixels that the source shows, and of those
that are matched through the body. "visible_right" is the share of the body where visibility is
right; "copied_right" counts the other side of the same cloth as visible, as weights trained with
`through` do. 95 % intervals are over people.
"""

from pathlib import Path
from typing import Any

import torch
import tyro
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets import open_dataset
from deformgan.datasets.correspondence import correspond
from deformgan.datasets.synthetic import Synthetic
from deformgan.errors import InputError
from deformgan.files import write_json
from deformgan.models.generator import Generator
from deformgan.models.layers import Fields, resize
from deformgan.pair import Truth, View
from deformgan.pixels import to_float
from deformgan.provenance import provenance
from deformgan.stats.bootstrap import bootstrap_intervals
from deformgan.training.step import field_error

BATCH = 10
STRIDE = 2  # every so many pixels of the target are compared
NEAR = 1.5  # pixels


def main(
    data: Path, weights: str, json: Path | None = None, pairs: int = 200, through: float = 0.0
) -> None:
    """Measure, print and write.

    Args:
        data: Rendered people with surfaces, masks and backgrounds.
        weights: Of a generator with layers.
        json: Where to write.
        pairs: How many pairs, drawn from seed 0.
        through: The setting with which the weights were trained.
    """
    people = open_dataset(data)
    if not isinstance(people, Synthetic) or people.surfaces is None:
        raise InputError(f"{data} has no surfaces; `deformgan data synthesize` writes them.")
    generator, _ = load_generator(weights, background=True)
    if generator.config.layers is None:
        raise InputError(f"{weights} is a generator without layers: it has no field.")
    order = torch.randperm(len(people.pairs), generator=torch.Generator().manual_seed(0))
    chosen = people.pairs[order[:pairs]]
    parts = [measure(generator, people, part, through) for part in chosen.split(BATCH)]
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    who = [people.identities[row] for row in chosen[:, 1].tolist()]
    report: dict[str, Any] = {
        "weights": weights,
        "rows": generator.config.layers.rows,
        "through": through,
        "pairs": len(chosen),
        "people": len(set(who)),
        **provenance(),
        "metrics": summarize(found, who),
    }
    for name, metric in report["metrics"].items():
        low, high = metric["ci95"]
        print(f"{name:26} {metric['mean']:7.3f} [{low:.3f}, {high:.3f}]")
    if json is not None:
        write_json(json, report)


@torch.inference_mode()
def measure(
    generator: Generator, people: Synthetic, pairs: Int64[Tensor, "pairs 2"], through: float
) -> dict[str, Float[Tensor, "pairs 2"]]:
    """Return every metric of every pair: its mean, and how many pixels it is a mean of."""
    source, target = pairs.T
    view = View(to_float(people.images[source]), people.poses[source])
    fields = generator(view, people.poses[target], want="fields")
    assert isinstance(fields, Fields)
    truth = truth_of(people, pairs)
    size = people.size
    hidden = truth.matched & ~truth.visible
    metrics = {}
    for name, place in (("base", fields.base), ("field", fields.source_from_target)):
        error = field_error(place, truth, size)
        metrics[f"{name}_error_visible"] = _mean(error, truth.visible)
        metrics[f"{name}_near_visible"] = _mean(error <= NEAR, truth.visible)
        metrics[f"{name}_error_hidden"] = _mean(error, hidden)
    opacity = torch.sigmoid(resize(fields.visible, size)[:, 0, ::STRIDE, ::STRIDE])
    says = opacity > (1 + through) / 2
    metrics["visible_right"] = _mean(says == truth.visible, truth.body)
    if through:
        metrics["copied_right"] = _mean((opacity > through / 2) == truth.matched, truth.body)
    metrics["visible_share"] = _mean(truth.visible, truth.body)  # accuracy of always "visible"
    own = (fields.matte.shape[2], fields.matte.shape[3])
    for name, logits, matte in (
        ("matte", fields.matte, truth.matte),
        ("source_matte", fields.source_matte, truth.source_matte),
    ):
        there, wanted = logits > 0, resize(matte, own) > 0.5
        metrics[f"{name}_iou"] = _mean(there & wanted, there | wanted)
    return metrics


def truth_of(people: Synthetic, pairs: Int64[Tensor, "pairs 2"]) -> Truth:
    """Look up what is known of pairs."""
    surfaces, masks, scenes = people.surfaces, people.masks, people.backgrounds
    assert surfaces is not None
    assert masks is not None
    assert scenes is not None
    matches = [correspond(surfaces[s], surfaces[t], STRIDE) for s, t in pairs.tolist()]
    source, target = pairs.T
    return Truth(
        *(
            torch.stack([getattr(match, name) for match in matches])
            for name in ("source_from_target", "matched", "visible", "body")
        ),
        matte=masks[target][:, None].float() / 255,
        source_matte=masks[source][:, None].float() / 255,
        scene=to_float(scenes[target]),
        stride=STRIDE,
    )


def summarize(
    found: dict[str, Float[Tensor, "pairs 2"]], who: list[str]
) -> dict[str, dict[str, Any]]:
    """Return mean and interval of every metric, pixels of all pairs counting the same."""
    values, counts = (torch.stack([one[:, i] for one in found.values()], 1) for i in (0, 1))
    # A pair without such pixels counts for nothing.
    values = values.masked_fill(counts == 0, torch.nan)
    intervals = bootstrap_intervals(values, weights=counts, clusters=who).tolist()
    means = (values.nan_to_num() * counts).sum(dim=0) / counts.sum(dim=0)
    return {
        name: {"mean": mean, "ci95": interval}
        for name, mean, interval in zip(found, means.tolist(), intervals, strict=True)
    }


def _mean(values: Tensor, where: Tensor) -> Float[Tensor, "pairs 2"]:
    values, where = values.double().flatten(1), where.double().flatten(1)
    count = where.sum(dim=1)
    return torch.stack([(values * where).sum(dim=1) / count.clamp(min=1), count], dim=1)


if __name__ == "__main__":
    tyro.cli(main)
