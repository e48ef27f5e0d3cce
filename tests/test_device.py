"""Devices and precisions."""

import pytest
import torch

from deformgan.device import choose_precision, find_device
from deformgan.errors import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize("units", [True, False])
def test_auto_is_bfloat16_where_the_device_has_units(monkeypatch, units):
    monkeypatch.setattr("deformgan.device.computes_bfloat16", lambda device: units)
    assert choose_precision("auto", CPU) == ("bfloat16" if units else "float32")
    assert choose_precision("bfloat16", CPU) == "bfloat16"
    assert choose_precision("float32", CPU) == "float32"


def test_what_does_not_exist_is_refused():
    with pytest.raises(InputError, match="'half'; it must be one of auto, float32, bfloat16"):
        choose_precision("half", CPU)
    with pytest.raises(InputError, match="'tpu' is not available"):
        find_device("tpu")
