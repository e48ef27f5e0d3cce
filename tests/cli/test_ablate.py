"""The command `deformgan ablate`, on the bundled people with networks of a few channels."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from deformgan.checkpoint import load_generator
from deformgan.cli.main import main
from deformgan.datasets.bundled_people import FOLDER
from deformgan.files import one_at_a_time
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.recipes import RECIPES
from deformgan.training import loop
from deformgan.training.config import LossWeights, TrainConfig

TINY = TrainConfig(
    recipe="tiny",
    generator=GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6), warped_levels=2),
    discriminator=DiscriminatorConfig(widths=(4, 6)),
    weights=LossWeights(nearest_neighbour=0.01),
    batch_size=2,
    steps=2,
    flip=True,
    log_every=1,
)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """A file of random weights in the layout of Oxford's."""
    random = np.random.default_rng(0)
    arrays = {}
    for name, outputs, inputs in [("conv1_1", 64, 3), ("conv1_2", 64, 64), ("conv2_1", 128, 64)]:
        weight = random.normal(0, (2 / (9 * inputs)) ** 0.5, (outputs, inputs, 3, 3))
        arrays[f"{name}.weight"] = weight.astype(np.float32)
        arrays[f"{name}.bias"] = np.zeros(outputs, dtype=np.float32)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Register a recipe that trains in a moment."""
    monkeypatch.setitem(RECIPES, "tiny", lambda: TINY)
    return TINY


# Without VGG-19 a step takes a tenth of the time.
ON_COLOURS = ("--weights.nearest-neighbour", "0", "--weights.nearest-neighbour-pixels", "0.5")


def words(out, *more):
    """A command line on the bundled people."""
    return [
        *("ablate", "--recipe", "tiny", "--data", str(FOLDER), "--out", str(out)),
        *("--pairs", "5", *map(str, more)),
    ]


@pytest.fixture(scope="module")
def ablated(vgg, tmp_path_factory):
    """An ablation of the paper's four rows; its folder."""
    out = tmp_path_factory.mktemp("ablation") / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "tiny", lambda: TINY)
        assert main(words(out, "--vgg", vgg)) == 0
    return out


def test_a_second_ablation_in_the_same_folder_refuses(vgg, tmp_path, capsys):
    with one_at_a_time(tmp_path / ".ablation.lock", "x"):
        assert main(words(tmp_path, *ON_COLOURS, "--vgg", vgg)) == 2
    assert "Another command is writing" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def measured(out):
    """The report without what only tells when it was made."""
    report = json.loads((out / "ablation.json").read_text())
    for variant in report["variants"].values():
        del variant["seconds"]
    return report


def test_the_papers_four_rows_are_trained_scored_and_shown(ablated):
    report = json.loads((ablated / "ablation.json").read_text())
    assert list(report["variants"]) == ["baseline", "dsc", "percloss", "full"]
    assert report["protocol"]["pairs"] == 5
    assert "every 5th person" in report["protocol"]["split"]
    for name, variant in report["variants"].items():
        assert variant["samples"] == 4
        assert variant["seconds"] > 0
        assert variant["metrics"].keys() == {"ssim", "mask_ssim", "l1", "psnr", "sharpness"}
        generator, metadata = load_generator(ablated / name / "generator.safetensors")
        assert generator.config.streams == (1 if name == "baseline" else 2)
        assert metadata["recipe"] == f"tiny, {name}"
    assert set(report["order"]["ssim"]["ours"]) == set(report["variants"])
    assert "| baseline |" in (ablated / "ablation.md").read_text()
    with Image.open(ablated / "ablation.png") as figure:
        assert figure.width > 7 * 2 * 64


def test_an_ablation_that_is_done_is_resumed_without_training_and_to_the_bit(ablated, vgg, capsys):
    before = measured(ablated)
    weights = {path: path.read_bytes() for path in ablated.glob("*/generator.safetensors")}
    assert len(weights) == 4
    capsys.readouterr()
    assert main(words(ablated, "--vgg", vgg, "--resume")) == 0
    assert "samples/s" not in capsys.readouterr().out
    assert measured(ablated) == before
    assert all(path.read_bytes() == content for path, content in weights.items())


@pytest.mark.slow
def test_an_ablation_that_stopped_goes_on_as_if_unbroken(tmp_path, capsys):
    chosen = (*ON_COLOURS, "--variants")
    assert main(words(tmp_path / "a", *chosen, "baseline", "full")) == 0
    # As a kill in the middle of the second variant leaves it.
    assert main(words(tmp_path / "b", *chosen, "baseline")) == 0
    assert main(words(tmp_path / "b", *chosen, "full", "--steps", "1", "--resume")) == 0
    capsys.readouterr()
    assert main(words(tmp_path / "b", *chosen, "baseline", "full", "--resume")) == 0
    assert capsys.readouterr().out.count("samples/s") == 1
    one, other = measured(tmp_path / "a"), measured(tmp_path / "b")
    assert one["variants"] == other["variants"]


def test_variants_beyond_the_papers_train_too(tmp_path):
    names = ["full-l2", "no-warp", "global", "learned", "average", "nearest"]
    assert main(words(tmp_path, *ON_COLOURS, "--steps", 1, "--variants", *names)) == 0
    report = json.loads((tmp_path / "ablation.json").read_text())
    assert list(report["variants"]) == names
    assert report["order"]["ssim"]["ours"] == []


def test_every_variant_learns_from_the_same_batches(tmp_path, monkeypatch):
    seen = []
    step = loop.train_step

    def watched(fabric, gan, draws, features, config, number):
        seen.append((config.recipe, number, draws[0].source.image, draws[0].target.pose.joints))
        return step(fabric, gan, draws, features, config, number)

    monkeypatch.setattr(loop, "train_step", watched)
    assert main(words(tmp_path, *ON_COLOURS, "--variants", "baseline", "full")) == 0
    assert [number for _, number, *_ in seen] == [0, 1, 0, 1]
    for one, other in zip(seen[:2], seen[2:], strict=True):
        assert one[0] != other[0]
        assert one[2].equal(other[2])
        assert one[3].equal(other[3])
    assert not seen[0][2].equal(seen[1][2])


def complaint_of(capsys, arguments):
    """Run a command line that must fail as a user's mistake, and return its one line."""
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("deformgan: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--variants", "fulll"], "Unknown variant 'fulll' of tiny; choose one of baseline, dsc"),
        (["--variants", "dsc", "dsc"], "different names"),
        (["--recipe", "paper-market-dsc"], "not the full method"),
        (["--recipe", "pedestrian-base"], "pedestrian-base has no variant baseline: blend"),
        (["--recipe", "nothing"], "Unknown recipe 'nothing'"),
        (["--data", "no/such"], "no/such does not exist"),
        (["--vgg", "no/such.npz"], "no/such.npz"),
        (["--pairs", "0"], "--pairs must be positive, got 0"),
        (["--steps", "0"], "steps must be positive"),
        (["--judges", "no/such"], "no/such"),
        (["--generator.blend", "true", "--variants", "no-warp"], "no variant no-warp"),
        (["--weights.l3", "1"], "unknown setting 'weights.l3'"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(more, expected, vgg, tmp_path, capsys):
    complaint = complaint_of(capsys, [*words(tmp_path / "x", "--vgg", vgg), *more])
    assert expected in complaint
    assert not (tmp_path / "x").exists()


def test_runs_that_are_there_are_left_alone_without_resume(ablated, vgg, capsys):
    before = {path: path.stat().st_mtime_ns for path in ablated.rglob("*")}
    assert "already contains runs; add" in complaint_of(capsys, words(ablated, "--vgg", vgg))
    assert before == {path: path.stat().st_mtime_ns for path in ablated.rglob("*")}


def test_a_resumed_ablation_keeps_the_budget_and_the_settings(ablated, vgg, capsys, monkeypatch):
    common = words(ablated, "--vgg", vgg, "--resume")
    assert "already has 2 steps, more than" in complaint_of(capsys, [*common, "--steps", "1"])
    assert "other settings (seed)" in complaint_of(capsys, [*common, "--seed", "3"])
    monkeypatch.setitem(RECIPES, "tiny", lambda: replace(TINY, flip=False))
    assert "other settings (flip)" in complaint_of(capsys, common)
