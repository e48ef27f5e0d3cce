"""The field's benchmark counts what it says: held against fields that are off by known amounts."""

from dataclasses import dataclass

import pytest
import torch

pytest.importorskip("scipy", reason="needs the extra synth")

from deformgan.datasets.surfaces import NOTHING, SurfaceSet
from deformgan.models.layers import Fields, resize
from deformgan.pose import Pose

SIZE, OWN = (64, 32), (32, 16)


@pytest.fixture(scope="module")
def benchmark(load_benchmark):
    """The script, imported."""
    return load_benchmark("field_truth")


@dataclass
class People:
    """Two pictures of a board, the second shifted by two pixels to the right, and no other."""

    surfaces: SurfaceSet
    masks: torch.Tensor
    backgrounds: torch.Tensor
    images: torch.Tensor
    poses: Pose
    size = SIZE


@pytest.fixture
def people():
    y, x = torch.meshgrid(*(torch.arange(n) for n in SIZE), indexing="ij")
    places, layers = [], []
    for shift in (0, 2):
        on = (x >= 6 + shift) & (x < 24 + shift) & (y >= 8) & (y < 56)
        places.append(torch.stack([(x - shift) * 0.02, 0 * x, y * 0.02]) * on)
        layers.append(torch.where(on, 1, NOTHING).to(torch.uint8))
    masks = torch.stack([(layer != NOTHING) * 255 for layer in layers]).to(torch.uint8)
    scenes = torch.zeros(2, 3, *SIZE, dtype=torch.uint8)
    poses = Pose(torch.zeros(2, 18, 2), torch.ones(2, 18, dtype=torch.bool))
    surfaces = SurfaceSet(torch.stack(places).half(), torch.stack(layers))
    return People(surfaces, masks, scenes, scenes, poses)


def generator_off_by(pixels, matte, visible=5.0):
    """Stub generator: returns the true field with a constant error in its own pixels."""
    y, x = torch.meshgrid(*(torch.arange(float(n)) for n in OWN), indexing="ij")
    right = torch.stack([x - 1, y])[None]

    def generate(view, target_pose, want):
        assert want == "fields"
        logits = torch.full((1, 1, *OWN), visible)
        off = right + torch.tensor([pixels, 0.0])[:, None, None]
        return Fields(right, off, logits, matte, matte)

    return generate


def test_a_known_shift_is_the_error_in_the_networks_pixels(benchmark, people):
    matte = resize(people.masks[1:][:, None].float() / 255, OWN) * 2 - 1
    pairs = torch.tensor([[0, 1]])
    for off in (0.0, 1.0, 2.5):
        found = benchmark.measure(generator_off_by(off, matte), people, pairs, 0.0)
        value = {name: float(metric[0, 0]) for name, metric in found.items()}
        assert value["base_error_visible"] == pytest.approx(0, abs=0.02)
        assert value["field_error_visible"] == pytest.approx(off, abs=0.02)
        assert value["field_near_visible"] == float(off <= 1.5)
        assert value["visible_right"] == value["visible_share"] == 1
        assert value["matte_iou"] == 1
        # The source's board lies a pixel further left: 8 columns of 10 in common.
        assert value["source_matte_iou"] == pytest.approx(8 / 10)
        assert found["field_error_hidden"][0, 1] == 0  # nothing is hidden
        assert found["field_error_visible"][0, 1] == 9 * 24  # every second pixel of 18 x 48


def test_an_opacity_below_that_of_visible_surface_is_a_copy_through_the_body(benchmark, people):
    matte = resize(people.masks[1:][:, None].float() / 255, OWN) * 2 - 1
    pairs = torch.tensor([[0, 1]])
    for opacity, right in ((0.95, (1, 1)), (0.75, (0, 1)), (0.2, (0, 0))):
        visible = float(torch.logit(torch.tensor(opacity)))
        generator = generator_off_by(0.0, matte, visible)
        found = benchmark.measure(generator, people, pairs, 0.75)
        assert tuple(float(found[f"{name}_right"][0, 0]) for name in ("visible", "copied")) == right


def test_the_mean_is_over_surface_and_pairs_without_it_count_for_nothing(benchmark):
    metric = torch.tensor([[1.0, 30.0], [4.0, 10.0], [0.0, 0.0]], dtype=torch.float64)
    found = benchmark.summarize({"error": metric}, ["a", "b", "c"])["error"]
    assert found["mean"] == pytest.approx(1.75)
    low, high = found["ci95"]
    assert 1.0 <= low < 1.75 < high <= 4.0
