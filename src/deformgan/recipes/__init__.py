"""Runs by name; each is a function that returns its configuration."""

from collections.abc import Callable

from deformgan.recipes.pedestrian import pedestrian_small
from deformgan.training.config import TrainConfig

RECIPES: dict[str, Callable[[], TrainConfig]] = {"pedestrian-small": pedestrian_small}
