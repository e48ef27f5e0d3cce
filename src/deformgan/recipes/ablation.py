"""VARIANTS: a run with one part of the method left out or exchanged.

Every variant is a function of the run "Full" and changes nothing but its generator's streams, warp,
aggregation or interpolation, or the loss term that compares the output with the target. "Full with
L1" is `dsc` itself; "maximum" and "bilinear" are `full` itself.

LAYERED_VARIANTS: the same of a run whose generator has layers; each changes the layers' settings,
or the weights of what is learned from truth.
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


def layers(base: TrainConfig) -> TrainConfig:
    """Soft base, correction, copy and paint under opacities that truth teaches."""
    return base


def no_correction(base: TrainConfig) -> TrainConfig:
    """Layers, but the field is that of the parts' transforms."""
    return _without_learning(_with_layers(base, correction=False), "field.", "look.")


def no_truth(base: TrainConfig) -> TrainConfig:
    """Layers, but all is learned from pictures: field, opacities, paint and scene."""
    return replace(
        base, weights=replace(base.weights, flow=0.0, visible=0.0, matte=0.0, planes=0.0)
    )


def hard_overlay(base: TrainConfig) -> TrainConfig:
    """Layers, but the field begins with the nearest part's transform alone."""
    return _with_layers(base, base="hard")


def no_copy(base: TrainConfig) -> TrainConfig:
    """Layers, but every pixel of the person is painted."""
    return _with_layers(base, copy=False)


def paint_only(base: TrainConfig) -> TrainConfig:
    """No layers: the generator's own output, which paints and blends in the overlaid parts."""
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
    """Name the variants of a run that are compared unless others are asked for."""
    return PAPER_ROWS if base.generator.layers is None else tuple(LAYERED_VARIANTS)


def make_variants(base: TrainConfig, names: Sequence[str]) -> dict[str, TrainConfig]:
    """Gives variants of a run, each under a recipe name of its own.

    Args:
        base: The run "Full": two streams, parts warped, trained with the nearest-neighbour loss; or
            one with layers.
        names: Of `VARIANTS`, or of `LAYERED_VARIANTS` for a run with layers; at least one, none
            twice.

    Raises:
        InputError: If a name is unknown, the run is not "Full", or has an extra that a variant
            cannot have.
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
            f"{base.recipe} is not the whole method, from which variants leave something out; "
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
    """Compares output and target by one term alone."""
    others = dict.fromkeys(
        ("nearest_neighbour", "nearest_neighbour_pixels", "l1", "l2", "perceptual"), 0.0
    )
    return replace(base, weights=replace(base.weights, **(others | term)))


def _with_layers(base: TrainConfig, /, **changes: Any) -> TrainConfig:
    assert base.generator.layers is not None
    return _with_generator(base, layers=replace(base.generator.layers, **changes))


def _without_learning(base: TrainConfig, *networks: str) -> TrainConfig:
    """Leave out of what learns the networks that a variant has not."""
    return replace(base, learns=tuple(name for name in base.learns if name not in networks))


def _with_generator(base: TrainConfig, **changes: Any) -> TrainConfig:
    return replace(base, generator=replace(base.generator, **changes))
