"""Settings as flags: what `--help` lists, and which words of a command line are theirs."""

from dataclasses import fields
from functools import partial
from typing import get_type_hints

import pytest

from deformgan.cli import main as shell
from deformgan.cli.settings_help import describe_settings, read_fields
from deformgan.cli.train import train
from deformgan.reid.baseline import BaselineConfig
from deformgan.training.config import TrainConfig

TRAIN = "deformgan.training.config.TrainConfig"


@pytest.mark.parametrize("kind", [TrainConfig, BaselineConfig])
def test_every_setting_is_listed_with_its_documentation(kind):
    listed = read_fields(f"{kind.__module__}.{kind.__name__}")
    assert all(setting.text for setting in listed)
    own = [setting.name for setting in listed if "." not in setting.name]
    parts = {setting.name.partition(".")[0] for setting in listed if "." in setting.name}
    assert {*own, *parts} == {field.name for field in fields(kind)} - {"recipe", "name"}
    for part in parts:
        inner = get_type_hints(kind)[part]
        names = {s.name.split(".")[1] for s in listed if s.name.startswith(f"{part}.")}
        assert names == {field.name for field in fields(inner)}


def test_types_are_shown_as_values_to_choose():
    text = describe_settings(TRAIN)
    assert "  --steps INT  " in text
    assert "  --precision {auto,float32,bfloat16}  " in text
    assert "  --generator.encoder-widths INT ...  " in text
    assert "  --betas FLOAT FLOAT  " in text
    assert "  --generator.aggregation {max,average}  " in text
    assert "  --generator.layers.rows INT  " in text


@pytest.mark.parametrize(
    "words",
    [
        "tiny --out x --steps 3 --generator.encoder-widths 4 8 --seed=1",
        "--steps 3 tiny --generator.encoder-widths 4 8 --out x --seed=1",
        "--out x --steps 3 tiny --generator.encoder-widths 4 8 --seed=1",
    ],
)
def test_settings_are_taken_from_any_place_of_a_command_line(words):
    command = shell._parse(train, "deformgan train", words.split())
    assert isinstance(command, partial)
    taken = ["--steps", "3", "--generator.encoder-widths", "4", "8", "--seed=1"]
    assert command.keywords["settings"] == taken
    assert command.args == ("tiny",)


def test_help_of_a_command_lists_the_settings_of_its_recipes(capsys):
    assert shell.main(["train", "--help"]) == 0
    assert describe_settings(TRAIN) in capsys.readouterr().out
