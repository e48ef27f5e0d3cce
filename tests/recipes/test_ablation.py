"""Variants of a run: what each leaves out, and nothing else."""

from dataclasses import asdict, replace

import pytest

from deformgan.errors import InputError
from deformgan.models.generator import Generator
from deformgan.recipes import RECIPES
from deformgan.recipes.ablation import (
    LAYERED_VARIANTS,
    PAPER_ROWS,
    VARIANTS,
    make_variants,
    usual_variants,
)

L1 = {"weights.nearest_neighbour": 0.0, "weights.l1": 100.0}
CHANGES = {
    "baseline": L1 | {"generator.streams": 1, "generator.warp": "none"},
    "dsc": L1,
    "percloss": {"weights.nearest_neighbour": 0.0, "weights.perceptual": 0.5},
    "full": {},
    "full-l2": {"weights.nearest_neighbour": 0.0, "weights.l2": 100.0},
    "no-warp": {"generator.warp": "none"},
    "global": {"generator.warp": "global"},
    "learned": {"generator.warp": "learned"},
    "average": {"generator.aggregation": "average"},
    "nearest": {"generator.interpolation": "nearest"},
}


NO_TRUTH = dict.fromkeys(("flow", "visible", "matte", "photo_matte", "planes", "bend"), 0.0)
LAYERED_CHANGES = {
    "layers": {},
    "no-correction": {"layers.correction": False},
    "no-truth": NO_TRUTH,
    "hard-overlay": {"layers.base": "hard"},
    "no-copy": {"layers.copy": False},
    "paint-only": NO_TRUTH | {"layers": None},
}


def flat(config):
    """List all settings, those of parts with a dot."""
    found = {}
    for name, value in asdict(config).items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": setting for inner, setting in value.items()}
        else:
            found[name] = value
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_differs_in_what_it_is_named_for_and_in_nothing_else(name):
    base = RECIPES["paper-market-small"]()
    variant = flat(make_variants(base, [name])[name])
    assert variant.pop("recipe") == f"paper-market-small, {name}"
    before = flat(base)
    assert {key: value for key, value in variant.items() if value != before[key]} == CHANGES[name]


@pytest.mark.parametrize("recipe", ["pedestrian", "layered-small"])
@pytest.mark.parametrize("name", LAYERED_VARIANTS)
def test_a_layered_variant_differs_in_what_it_is_named_for_and_in_nothing_else(name, recipe):
    base = RECIPES[recipe]()
    variant = make_variants(base, [name])[name]
    assert variant.recipe == f"{recipe}, {name}"
    same = {"recipe": recipe, "generator": base.generator, "weights": base.weights}
    assert replace(variant, **same, trainable=base.trainable) == base
    # What a variant has not cannot learn; all else does as before.
    networks = {name.split(".")[0] for name, _ in Generator(variant.generator).named_parameters()}
    assert variant.trainable == tuple(
        name for name in base.trainable if name.split(".")[0] in networks
    )
    changes = LAYERED_CHANGES[name]
    asked = {key: value for key, value in changes.items() if not key.startswith("layers")}
    assert variant.weights == replace(base.weights, **asked)
    layers = {key[7:]: value for key, value in changes.items() if key.startswith("layers.")}
    wanted = replace(base.generator.layers, **layers)
    assert variant.generator == replace(base.generator, layers=changes.get("layers", wanted))


def test_what_is_compared_by_default_goes_by_the_recipe():
    assert usual_variants(RECIPES["paper-market-full"]()) == PAPER_ROWS
    assert usual_variants(RECIPES["layered-small"]()) == tuple(LAYERED_VARIANTS)


def test_the_four_rows_of_the_paper_are_its_recipes():
    rows = make_variants(RECIPES["paper-market-full"](), PAPER_ROWS)
    for name, row in rows.items():
        recipe = RECIPES[f"paper-market-{name}"]()
        assert replace(row, recipe=recipe.recipe) == recipe


def test_a_loss_on_colours_is_left_out_too():
    base = RECIPES["quickstart"]()
    weights = make_variants(base, ["dsc"])["dsc"].weights
    assert (weights.nearest_neighbour_pixels, weights.l1) == (0.0, 100.0)


@pytest.mark.parametrize(
    ("recipe", "names", "words"),
    [
        ("paper-market-full", ["ful"], ["Unknown variant 'ful'", "baseline, dsc", "nearest"]),
        ("paper-market-full", ["dsc", "dsc"], ["different names", "dsc dsc"]),
        ("paper-market-full", [], ["one or more", "got none"]),
        ("paper-market-dsc", ["full"], ["paper-market-dsc is not the full method"]),
        ("pedestrian-base", ["full", "baseline"], ["pedestrian-base has no variant baseline"]),
        ("pedestrian", ["full"], ["Unknown variant 'full' of pedestrian", "layers, no-correction"]),
        ("pedestrian-base", ["no-warp"], ["no variant no-warp", "warp must be parts"]),
    ],
)
def test_what_is_no_variant_is_refused(recipe, names, words):
    with pytest.raises(InputError) as refused:
        make_variants(RECIPES[recipe](), names)
    assert all(word in str(refused.value) for word in words), refused.value
