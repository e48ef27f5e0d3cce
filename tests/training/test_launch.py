"""Device and precision of a run."""

from dataclasses import replace

import pytest
import torch

from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.launch import autocast, open_fabric, uses_bfloat16

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
CONFIG = TrainConfig(
    recipe="test",
    generator=GeneratorConfig(),
    discriminator=DiscriminatorConfig(),
    weights=LossWeights(),
)


def test_alone_a_run_is_one_leading_process_on_its_device():
    fabric = open_fabric(CPU)
    assert fabric.device == CPU
    assert (fabric.world_size, fabric.global_rank) == (1, 0)
    assert fabric.is_global_zero


@pytest.mark.parametrize(
    ("capabilities", "computes"),
    [
        ({}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": False, "avx512_f": True}, False),
    ],
)
def test_auto_takes_bfloat16_on_a_cpu_that_computes_in_it(monkeypatch, capabilities, computes):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert uses_bfloat16(replace(CONFIG, precision="auto"), CPU) == computes


def test_auto_is_float32_where_torch_cannot_tell(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not uses_bfloat16(replace(CONFIG, precision="auto"), CPU)


@pytest.mark.parametrize("computes", [True, False])
def test_auto_takes_bfloat16_on_a_gpu_that_does_not_only_emulate_it(monkeypatch, computes):
    def supported(including_emulation=True):
        return including_emulation or computes

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert uses_bfloat16(replace(CONFIG, precision="auto"), CUDA) == computes


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_a_precision_that_is_asked_for_is_taken_on_every_device(device):
    assert uses_bfloat16(replace(CONFIG, precision="bfloat16"), device)
    assert not uses_bfloat16(replace(CONFIG, precision="float32"), device)


@pytest.mark.parametrize(("precision", "dtype"), [("float32", "float32"), ("bfloat16", "bfloat16")])
def test_convolutions_run_in_the_precision_of_the_run_and_weights_stay(precision, dtype):
    convolution, image = torch.nn.Conv2d(3, 2, 3), torch.rand(1, 3, 8, 8)
    with autocast(replace(CONFIG, precision=precision), CPU):
        found = convolution(image)
    assert found.dtype == getattr(torch, dtype)
    assert convolution.weight.dtype == torch.float32
    assert convolution(image).dtype == torch.float32  # afterwards as before
    torch.testing.assert_close(found.float(), convolution(image), atol=0.02, rtol=0)
