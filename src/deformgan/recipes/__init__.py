"""Named training runs; each recipe is a function that returns its configuration.

A recipe's docstring states its expected ("Expect:") and measured ("Measured:") results.
"""

from collections.abc import Callable

from deformgan.recipes.fashion import fashion
from deformgan.recipes.layered import layered_small
from deformgan.recipes.paper_fashion import (
    paper_fashion_baseline,
    paper_fashion_dsc,
    paper_fashion_full,
    paper_fashion_percloss,
)
from deformgan.recipes.paper_market import (
    paper_market_baseline,
    paper_market_dsc,
    paper_market_full,
    paper_market_percloss,
)
from deformgan.recipes.paper_market_small import paper_market_small
from deformgan.recipes.pedestrian import (
    pedestrian,
    pedestrian_background,
    pedestrian_base,
    pedestrian_fields,
    pedestrian_reid,
)
from deformgan.recipes.quickstart import quickstart
from deformgan.recipes.reference import (
    reference_fashion_baseline,
    reference_fashion_dsc,
    reference_fashion_full,
    reference_fashion_percloss,
    reference_market_baseline,
    reference_market_dsc,
    reference_market_full,
    reference_market_percloss,
)
from deformgan.recipes.synthetic import (
    synthetic,
    synthetic_background,
    synthetic_base,
    synthetic_fields,
)
from deformgan.training.config import TrainConfig

_ALL: tuple[Callable[[], TrainConfig], ...] = (
    quickstart,
    pedestrian_base,
    pedestrian_fields,
    pedestrian,
    pedestrian_reid,
    pedestrian_background,
    synthetic_base,
    synthetic_fields,
    synthetic,
    synthetic_background,
    layered_small,
    fashion,
    paper_market_baseline,
    paper_market_dsc,
    paper_market_percloss,
    paper_market_full,
    paper_market_small,
    paper_fashion_baseline,
    paper_fashion_dsc,
    paper_fashion_percloss,
    paper_fashion_full,
    reference_market_baseline,
    reference_market_dsc,
    reference_market_percloss,
    reference_market_full,
    reference_fashion_baseline,
    reference_fashion_dsc,
    reference_fashion_percloss,
    reference_fashion_full,
)

RECIPES: dict[str, Callable[[], TrainConfig]] = {
    recipe.__name__.replace("_", "-"): recipe for recipe in _ALL
}
