"""VARIANTS, LAYERED_VARIANTS: runs with one part of the method removed or replaced.

Every function in `VARIANTS` takes the run "Full" and changes only its generator's streams, warp,
aggregation or interpolation, or the loss term that compares the output with the target. "Full with
L1" is `dsc` itself; "maximum" and "bilinear" are `full` itself.

Those in `LAYERED_VARIANTS` take a run with a layered generator and change only the settings of the
layers or the weights of the terms with known truth.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from deformgan.errors import InputError
from deformgan.losses.l1 import L1_WEIGHT
from deformgan.losses.l2 import L2_WEIGHT
from deformgan.losses.perceptual import PERCEPTUAL_WEIGHT
from deformgan.training.config import TrainConfig

PAPER_ROWS = ("baseline", "dsc", "percloss", "full")


def full(base: TrainConfig) -> TrainConfig:
    """Return the run unchanged: two streams, skips warped part by part, nearest-neighbour loss."""
    return base


def dsc(base: TrainConfig) -> TrainConfig:
    """Replace the nearest-neighbour loss by an L1 loss on pixels."""
    return _with_loss(base, l1=L1_WEIGHT)


def percloss(base: TrainConfig) -> TrainConfig:
    """Replace the nearest-neighbour loss by an elementwise loss on VGG-19's conv2_1 features."""
    return _with_loss(base, perceptual=PERCEPTUAL_WEIGHT)


def baseline(base: TrainConfig) -> TrainConfig:
    """Use one stream for photo and both poses, plain skips and an L1 loss on pixels."""
    return _with_generator(dsc(base), streams=1, warp="none")


def full_l2(base: TrainConfig) -> TrainConfig:
    """Replace the nearest-neighbour loss by an L2 loss on pixels (ours)."""
    return _with_loss(base, l2=L2_WEIGHT)


def no_warp(base: TrainConfig) -> TrainConfig:
    """Use plain skips (ours)."""
    return _with_generator(base, warp="none")


def single_global(base: TrainConfig) -> TrainConfig:
    """Warp by one transform for the whole person, fitted to torso and knees."""
    return _with_generator(base, warp="global")


def learned(base: TrainConfig) -> TrainConfig:
    """Warp by one transform that a network predicts from both poses (STN)."""
    return _with_generator(base, warp="learned")


def average(base: TrainConfig) -> TrainConfig:
    """Aggregate overlapping parts by their mean instead of their maximum."""
    return _with_generator(base, aggregation="average")


def nearest(base: TrainConfig) -> TrainConfig:
    """Sample warped features at the nearest pixel instead of bilinearly."""
    return _with_generator(base, interpolation="nearest")


VARIANTS: dict[str, Callable[[TrainConfig], TrainConfig]] = {
    "baseline": baseline,
    "dsc": dsc,
    "percloss": percloss,
    "full": full,
    "full-l2": full_l2,
    "no-warp": no_warp,
    "global": single_global,
    "learned": learned,
    "average": average,
    "nearest": nearest,
}


def layers(base: TrainConfig) -> TrainConfig:
    """Return the run unchanged: soft base, correction, and opacities trained on known truth."""
    return base


def no_correction(base: TrainConfig) -> TrainConfig:
    """Use the field of the parts' transforms without correction."""
    return _without_learning(_with_layers(base, correction=False), "field.", "look.")


def no_truth(base: TrainConfig) -> TrainConfig:
    """Train field, opacities, paint and scene on pictures alone, without known truth."""
    return replace(
        base,
        weights=replace(
            base.weights, flow=0.0, visible=0.0, matte=0.0, photo_matte=0.0, planes=0.0, bend=0.0
        ),
    )


def hard_overlay(base: TrainConfig) -> TrainConfig:
    """Use the nearest part's transform as the initial field."""
    return _with_layers(base, base="hard")


def no_copy(base: TrainConfig) -> TrainConfig:
    """Paint every pixel of the person instead of copying from the photo."""
    return _with_layers(base, copy=False)


def paint_only(base: TrainConfig) -> TrainConfig:
    """Use the generator's plain output, painted and blended with warped parts, without layers."""
    plain = _with_generator(no_truth(base), layers=None)
    return _without_learning(plain, "field.", "look.", "detail.")


LAYERED_VARIANTS: dict[str, Callable[[TrainConfig], TrainConfig]] = {
    "layers": layers,
    "no-correction": no_correction,
    "no-truth": no_truth,
    "hard-overlay": hard_overlay,
    "no-copy": no_copy,
    "paint-only": paint_only,
}


def usual_variants(base: TrainConfig) -> tuple[str, ...]:
    """Return the names of the variants that are compared by default."""
    return PAPER_ROWS if base.generator.layers is None else tuple(LAYERED_VARIANTS)


def make_variants(base: TrainConfig, names: Sequence[str]) -> dict[str, TrainConfig]:
    """Build variants of a run, each with its own recipe name.

    Args:
        base: The run "Full": two streams, parts warped, trained with the nearest-neighbour loss; or
            one with layers.
        names: Names in `VARIANTS`, or in `LAYERED_VARIANTS` for a run with layers; at least one,
            without repetition.

    Raises:
        InputError: If a name is unknown, the run is not "Full", or it has a setting that a variant
            does not support.
    """
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"--variants takes one or more different names, got {' '.join(names) or 'none'}."
        )
    known = VARIANTS if base.generator.layers is None else LAYERED_VARIANTS
    for name in names:
        if name not in known:
            raise InputError(
                f"Unknown variant {name!r} of {base.recipe}; choose one of {', '.join(known)}."
            )
    weights, generator = base.weights, base.generator
    compares = weights.nearest_neighbour or weights.nearest_neighbour_pixels
    if not compares or generator.streams != 2 or generator.warp != "parts":
        raise InputError(
            f"{base.recipe} is not the full method, from which variants remove a part; "
            "choose a recipe with two streams, warped parts and the nearest-neighbour loss, such "
            "as paper-market-full or paper-market-small."
        )
    return {
        name: replace(_vary(base, name, known[name]), recipe=f"{base.recipe}, {name}")
        for name in names
    }


def _vary(
    base: TrainConfig, name: str, variant: Callable[[TrainConfig], TrainConfig]
) -> TrainConfig:
    try:
        return variant(base)
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise InputError(f"{base.recipe} has no variant {name}: {reason}.") from None


def _with_loss(base: TrainConfig, **term: float) -> TrainConfig:
    """Compare output and target by one loss term alone."""
    others = dict.fromkeys(
        ("nearest_neighbour", "nearest_neighbour_pixels", "l1", "l2", "perceptual"), 0.0
    )
    return replace(base, weights=replace(base.weights, **(others | term)))


def _with_layers(base: TrainConfig, /, **changes: Any) -> TrainConfig:
    assert base.generator.layers is not None
    return _with_generator(base, layers=replace(base.generator.layers, **changes))


def _without_learning(base: TrainConfig, *networks: str) -> TrainConfig:
    """Remove networks that a variant lacks from `trainable`."""
    return replace(base, trainable=tuple(name for name in base.trainable if name not in networks))


def _with_generator(base: TrainConfig, **changes: Any) -> TrainConfig:
    return replace(base, generator=replace(base.generator, **changes))
