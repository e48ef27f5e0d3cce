"""VARIANTS: a run with one part of the method left out or exchanged.

Every variant is a function of the run "Full" and changes nothing but its generator's streams, warp,
aggregation or interpolation, or the loss term that compares the output with the target. "Full with
L1" is `dsc` itself; "maximum" and "bilinear" are `full` itself.
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
    """Two streams, skips deformed part by part, nearest-neighbour loss."""
    return base


def dsc(base: TrainConfig) -> TrainConfig:
    """Full, but pixels compared by L1."""
    return _with_loss(base, l1=L1_WEIGHT)


def percloss(base: TrainConfig) -> TrainConfig:
    """Full, but features of VGG-19's conv2_1 compared element by element."""
    return _with_loss(base, perceptual=PERCEPTUAL_WEIGHT)


def baseline(base: TrainConfig) -> TrainConfig:
    """One stream over photo and both poses, plain skips, pixels compared by L1."""
    return _with_generator(dsc(base), streams=1, warp="none")


def full_l2(base: TrainConfig) -> TrainConfig:
    """Full, but pixels compared by their squared difference (ours)."""
    return _with_loss(base, l2=L2_WEIGHT)


def no_warp(base: TrainConfig) -> TrainConfig:
    """Full, but plain skips (ours)."""
    return _with_generator(base, warp="none")


def single_global(base: TrainConfig) -> TrainConfig:
    """Full, but one transform for the whole person, from torso and knees."""
    return _with_generator(base, warp="global")


def learned(base: TrainConfig) -> TrainConfig:
    """Full, but one transform that a network finds from both poses (STN)."""
    return _with_generator(base, warp="learned")


def average(base: TrainConfig) -> TrainConfig:
    """Full, but the mean of parts where they overlap, not the maximum."""
    return _with_generator(base, aggregation="average")


def nearest(base: TrainConfig) -> TrainConfig:
    """Full, but warps read the nearest feature, not between features."""
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


def make_variants(base: TrainConfig, names: Sequence[str]) -> dict[str, TrainConfig]:
    """Gives variants of a run, each under a recipe name of its own.

    Args:
        base: The run "Full": two streams, parts warped, trained with the nearest-neighbour loss.
        names: Of `VARIANTS`, at least one, none twice.

    Raises:
        InputError: If a name is unknown, the run is not "Full", or has an extra that a variant
            cannot have.
    """
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"--variants takes one or more different names, got {' '.join(names) or 'none'}."
        )
    for name in names:
        if name not in VARIANTS:
            raise InputError(f"Unknown variant {name!r}; choose one of {', '.join(VARIANTS)}.")
    weights, generator = base.weights, base.generator
    compares = weights.nearest_neighbour or weights.nearest_neighbour_pixels
    if not compares or generator.streams != 2 or generator.warp != "parts":
        raise InputError(
            f"{base.recipe} is not the whole method, from which variants leave something out; "
            "choose a recipe with two streams, warped parts and the nearest-neighbour loss, such "
            "as paper-market-full or paper-market-small."
        )
    return {name: replace(_vary(base, name), recipe=f"{base.recipe}, {name}") for name in names}


def _vary(base: TrainConfig, name: str) -> TrainConfig:
    try:
        return VARIANTS[name](base)
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise InputError(f"{base.recipe} has no variant {name}: {reason}.") from None


def _with_loss(base: TrainConfig, **term: float) -> TrainConfig:
    """Compares output and target by one term alone."""
    others = dict.fromkeys(
        ("nearest_neighbour", "nearest_neighbour_pixels", "l1", "l2", "perceptual"), 0.0
    )
    return replace(base, weights=replace(base.weights, **(others | term)))


def _with_generator(base: TrainConfig, **changes: Any) -> TrainConfig:
    return replace(base, generator=replace(base.generator, **changes))
