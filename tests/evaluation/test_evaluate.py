"""An evaluation says of every pair what was measured, and what was not; broken off, it goes on."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.evaluation import evaluate as module
from deformgan.evaluation.evaluate import evaluate, settings_of
from deformgan.evaluation.journal import Journal
from deformgan.evaluation.metric_set import CorpusMetrics, MetricSet, PairMetrics
from deformgan.evaluation.pair_photos import PairPhotos, photos_in
from deformgan.evaluation.person_mask import person_mask
from deformgan.evaluation.protocol import PROTOCOLS
from deformgan.evaluation.systems import Pictures
from deformgan.metrics.l1 import l1
from deformgan.metrics.ssim import mask_ssim, ssim

PROTOCOL = PROTOCOLS["deformgan-1"]


class Brightened:
    """Return the target photos, brighter by the pair's position; has none for some pairs."""

    def __init__(self, without=()):
        self.without = set(without)
        self.asked = []

    def describe(self):
        """As the name says."""
        return {"name": "brightened"}

    def stamp(self):
        """Never changes."""
        return ""

    def pictures(self, photos, rows):
        """Paint and record the requests."""
        self.asked.append(list(rows))
        found = Pictures()
        for row, photo in zip(rows, photos.targets(rows), strict=True):
            if row in self.without:
                found.problems.append(f"pair {row} has no picture")
            else:
                found.by_row[row] = self.paint(photo, row)
        return found

    @staticmethod
    def paint(photo, row):
        """Brightens one photo."""
        return (photo.int() + 7 * row).clamp(max=255).to(torch.uint8)


def pixels(scene):
    scores = PROTOCOL.scores(scene.generated, scene.target, scene.mask)
    return {name: scores[name] for name in ("ssim", "mask_ssim", "l1")}


def half(scene):
    """A number that dark pictures do not have."""
    mean = scene.generated.double().mean(dim=(1, 2, 3))
    return {"half": torch.where(mean > 130, mean, torch.nan)}


def mean_colours(images):
    return {"colour": images.double().mean(dim=(2, 3)).float()}


def distance(generated, real):
    ours, theirs = (np.concatenate(list(part("colour"))) for part in (generated, real))
    return {"colours": {"value": float(np.abs(ours.mean(0) - theirs.mean(0)).sum())}}


METRICS = MetricSet(
    [
        PairMetrics({"ssim": "s", "mask_ssim": "m", "l1": "l"}, pixels),
        PairMetrics({"half": "of bright pictures"}, half),
    ],
    [
        CorpusMetrics(
            {"colours": "c"}, lambda scene: mean_colours(scene.generated), mean_colours, distance
        )
    ],
)


@pytest.fixture
def photos(pair_set) -> PairPhotos:
    folder = pair_set(7)
    return PairPhotos.open(folder / "images", folder / "poses.csv", folder / "pairs.csv")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)


def run(photos, tmp_path, system=None, real=None, name="journal", **watch):
    system = system or Brightened()
    journal = Journal(tmp_path / name, settings_of(system, photos, PROTOCOL, METRICS, real))
    return evaluate(system, photos, PROTOCOL, METRICS, journal, real, **watch)


def test_every_number_is_that_of_its_pair(photos, tmp_path):
    found = run(photos, tmp_path)
    assert found.rows == list(range(7))
    assert found.problems == []
    for row in range(7):
        target = photos.targets([row])
        painted = Brightened.paint(target, row)
        mask = person_mask(photos.target_poses([row]), (128, 64))
        assert found.numbers["ssim"][row] == pytest.approx(ssim(painted, target).item(), abs=1e-12)
        person = mask_ssim(painted, target, mask).item()
        assert found.numbers["mask_ssim"][row] == pytest.approx(person, abs=1e-12)
        assert found.numbers["l1"][row] == pytest.approx(l1(painted, target).item(), abs=1e-12)
    assert found.numbers["half"].isnan().any()
    painted = torch.cat([Brightened.paint(photos.targets([row]), row) for row in range(7)])
    targets = photos.targets(range(7)).double().mean(dim=(0, 2, 3))
    colours = painted.view(7, 3, 128, 64).double().mean(dim=(0, 2, 3))
    wanted = (colours - targets).abs().sum().item()
    assert found.corpus["colours"]["value"] == pytest.approx(wanted, abs=1e-3)


def test_pairs_without_a_picture_are_named_and_the_others_scored(photos, tmp_path):
    whole = run(photos, tmp_path, name="whole")
    found = run(photos, tmp_path, Brightened(without=[2, 3, 6]))  # 2 and 3 are a batch
    assert found.rows == [0, 1, 4, 5]
    assert found.problems == [f"pair {row} has no picture" for row in (2, 3, 6)]
    assert torch.equal(found.numbers["ssim"], whole.numbers["ssim"][found.rows])


def test_a_system_without_any_picture_has_no_numbers(photos, tmp_path):
    found = run(photos, tmp_path, Brightened(without=range(7)))
    assert (found.rows, found.numbers, found.corpus) == ([], {}, {})
    assert len(found.problems) == 7


def test_broken_off_at_any_batch_it_goes_on_to_the_same_findings(photos, tmp_path):
    whole = run(photos, tmp_path, Brightened(without=[3]), name="whole")
    for stop in range(4):

        def break_off(items, what, total, stop=stop) -> Iterator[int]:
            for item in items:
                if item == stop:
                    raise KeyboardInterrupt
                yield item

        name = f"broken{stop}"
        with pytest.raises(KeyboardInterrupt):
            run(photos, tmp_path, Brightened(without=[3]), name=name, watch=break_off)
        system = Brightened(without=[3])
        found = run(photos, tmp_path, system, name=name)
        assert found.kept == 2 * stop
        assert system.asked == [[0, 1], [2, 3], [4, 5], [6]][stop:]
        assert found.rows == whole.rows
        assert found.problems == whole.problems
        assert found.corpus == whole.corpus
        for key, values in whole.numbers.items():
            torch.testing.assert_close(found.numbers[key], values, rtol=0, atol=0, equal_nan=True)


def test_photos_that_changed_begin_it_anew(photos, tmp_path):
    run(photos, tmp_path)
    assert run(photos, tmp_path).kept == 7
    Image.new("RGB", (64, 128)).save(photos.folder / "person.0.png")
    assert run(photos, tmp_path).kept == 0


def test_real_photos_of_another_folder_take_the_targets_place(photos, pair_set, tmp_path):
    real = photos_in(pair_set(5, name="other") / "images")
    found = run(photos, tmp_path, real=real, name="other_real")
    images = torch.stack([torch.from_numpy(np.array(Image.open(path))) for path in real])
    painted = torch.cat([Brightened.paint(photos.targets([row]), row) for row in range(7)])
    ours = painted.view(7, 3, 128, 64).double().mean(dim=(0, 2, 3))
    wanted = (ours - images.double().mean(dim=(0, 1, 2))).abs().sum().item()
    assert found.corpus["colours"]["value"] == pytest.approx(wanted, abs=1e-3)
    assert torch.equal(found.numbers["ssim"], run(photos, tmp_path).numbers["ssim"])


def test_targets_of_several_sizes_are_scored_in_the_lists_order(pair_set, tmp_path, monkeypatch):
    folder, wide = pair_set(4), pair_set(4, size=(96, 80), name="wide")
    for row in (1, 2):
        (wide / "images" / f"person.{row}.png").replace(folder / "images" / f"person.{row}.png")
    photos = PairPhotos.open(folder / "images", folder / "poses.csv", folder / "pairs.csv")
    assert set(photos.sizes) == {(128, 64), (96, 80)}
    monkeypatch.setattr(module, "BATCH", 4)
    system = Brightened()
    found = run(photos, tmp_path, system)
    assert sorted(map(len, system.asked)) == [2, 2]
    for row in range(4):
        target = photos.targets([row])
        painted = Brightened.paint(target, row)
        assert found.numbers["l1"][row] == pytest.approx(l1(painted, target).item(), abs=1e-12)
