"""What a run will take, from a rehearsal that leaves no trace."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from deformgan.datasets.batches import PairBatches
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.pose import Pose
from deformgan.training.checkpoints import checkpoints
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.estimate import Estimate, estimate, mean_estimate
from deformgan.training.launch import open_fabric
from deformgan.training.loop import train
from deformgan.training.memory import memory_limit

CPU = torch.device("cpu")
SIZE = (32, 16)
CONFIG = TrainConfig(
    recipe="test",
    generator=GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6), warped_levels=2),
    discriminator=DiscriminatorConfig(widths=(4, 6)),
    weights=LossWeights(l1=100.0),
    batch_size=2,
    steps=3,
    ema_decay=0.5,
    flip=True,
    seed=5,
)


@dataclass
class Images:
    """A data set in memory, as `PairedImages` asks."""

    images: Tensor
    poses: Pose
    pairs: Tensor


@pytest.fixture
def batches(people) -> PairBatches:
    """Noise with the poses of people."""
    random = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (4, 3, *SIZE), generator=random, dtype=torch.uint8)
    pairs = torch.tensor([(i, j) for i in range(4) for j in range(4) if i != j])
    return PairBatches(Images(images, people(4, SIZE), pairs), 2, flip=True, seed=5)


def run(batches, out):
    """Trains, and gives all that a checkpoint holds of both networks."""
    out.mkdir()
    train(
        CONFIG,
        batches,
        out,
        fabric=open_fabric(CPU),
        features=None,
        samples=None,
        metadata={},
        report=lambda progress: None,
    )
    return torch.load(checkpoints(out)[-1], weights_only=True)


def test_an_estimate_is_positive_and_within_the_machine(batches):
    foreseen = estimate(open_fabric(CPU), [batches[0]], None, CONFIG)
    assert 0 < foreseen.seconds_per_step < 60
    assert 0 < foreseen.memory < foreseen.available == memory_limit(CPU)


def test_a_run_after_a_rehearsal_is_the_run_without_one_to_the_bit(batches, tmp_path):
    plain = run(batches, tmp_path / "plain")
    # The loop takes the batches that were rehearsed on.
    draws = [batches[0]]
    kept = draws[0].source.image.clone()
    estimate(open_fabric(CPU), draws, None, CONFIG)
    assert torch.equal(draws[0].source.image, kept)
    rehearsed = run(batches, tmp_path / "rehearsed")
    for player in ("generator", "discriminator", "average"):
        for name, value in plain[player].items():
            assert torch.equal(value, rehearsed[player][name]), name
    for player in ("generator_optimizer", "discriminator_optimizer"):
        for place, moments in plain[player]["state"].items():
            for name, value in moments.items():
                assert torch.equal(value, rehearsed[player]["state"][place][name]), name


def test_a_rehearsal_is_never_compiled(batches, monkeypatch):
    def refuse(*given, **named):
        raise AssertionError("compiled")

    monkeypatch.setattr(torch.nn.Module, "compile", refuse)
    estimate(open_fabric(CPU), [batches[0]], None, replace(CONFIG, compile=True))


def test_a_run_of_several_kinds_of_steps_takes_their_mean_time_and_the_most_memory():
    kinds = [Estimate(2.0, 300, 1000), Estimate(8.0, 200, 1000)]
    assert mean_estimate(kinds, [15, 5]) == Estimate(3.5, 300, 1000)
    assert mean_estimate(kinds[:1], [1]) == kinds[0]
