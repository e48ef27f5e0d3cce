"""`deformgan reid train`, from a folder to a file."""

import json

import pytest
import torch
from PIL import Image

from deformgan.cli.main import main
from deformgan.reid.baseline import load_baseline

SMALL = ["--steps", "2", "--batch-size", "8", "--size", "64", "32", "--threads", "1"]


@pytest.fixture
def market(tmp_path):
    """A Market layout of five people in two cameras, one of them for testing, and a junk box."""
    folder = tmp_path / "market" / "bounding_box_train"
    folder.mkdir(parents=True)
    random = torch.Generator().manual_seed(0)
    for person in ("0002", "0007", "0010", "0011", "1500", "-1"):
        for camera in (1, 2):
            pixels = torch.randint(0, 256, (64, 32, 3), generator=random, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(folder / f"{person}_c{camera}s1_000151_00.jpg")
    split = {"train": ["0002", "0007", "0010", "0011"], "test": ["1500"]}
    (folder.parent / "identity-split.json").write_text(json.dumps(split))
    return folder.parent


def train(market, tmp_path, *flags, baseline="light-bot"):
    words = ["reid", "train", baseline, "--data", str(market), "--out", str(tmp_path / "run")]
    return main([*words, *SMALL, *flags])


@pytest.mark.parametrize("baseline", ["light-ide", "light-de", "light-bot"])
def test_a_network_comes_out_that_learnt_from_the_training_people_alone(market, tmp_path, baseline):
    assert not train(market, tmp_path, "--json", f"{tmp_path}/r.json", baseline=baseline)
    found = load_baseline(tmp_path / "run" / "baseline.safetensors")
    assert found.metadata["people"] == 4
    assert found.metadata["photos"] == 8
    assert found.metadata["generated"] == 0
    assert found.config.steps == 2
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["config"]["name"] == baseline
    assert report["photos"] == 8


def test_a_run_goes_on_only_where_it_is_asked_to(market, tmp_path, capsys):
    assert not train(market, tmp_path, "--save-every", "1")
    assert train(market, tmp_path) == 2
    assert "add --resume" in capsys.readouterr().err
    assert not train(market, tmp_path, "--save-every", "1", "--resume")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--method", "nobody"], "method"),
        (["--batch-size", "7"], "batch_size must be a multiple of photos (4)"),
        (["--imagenet", "r.pth"], "--imagenet is for resnet50 and lite0 baselines"),
        (["--steps", "0"], "steps must be positive"),
        (["--colour", "3"], "unknown setting 'colour'"),
        (["--device", "tpu"], "'tpu' is not available"),
        (["--fraction", "0"], "--fraction is 0; it must be from 1 to 100"),
        (["--per-person", "0"], "--per-person is 0; it must be at least 1"),
        (["--fraction", "50", "--per-person", "1"], "Give --fraction or --per-person, not both"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(market, tmp_path, capsys, flags, sentence):
    assert train(market, tmp_path, *flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert sentence in error
    assert not (tmp_path / "run").exists()


def test_an_unknown_baseline_and_a_set_of_nobody_are_one_line(market, tmp_path, capsys):
    assert train(market, tmp_path, baseline="light-bott") == 2
    assert "Unknown baseline 'light-bott'; choose one of light-ide" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert train(tmp_path / "empty", tmp_path) == 2
    assert str(tmp_path / "empty") in capsys.readouterr().err
    assert train(tmp_path / "absent", tmp_path) == 2
    assert "does not exist" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "photos"), [(["--per-person", "1"], 4), (["--fraction", "50"], 8), ([], 8)]
)
def test_it_can_train_on_some_photos_of_everybody(market, tmp_path, flags, photos):
    assert not train(market, tmp_path, *flags, "--json", f"{tmp_path}/r.json")
    found = load_baseline(tmp_path / "run" / "baseline.safetensors")
    assert (found.metadata["people"], found.metadata["photos"]) == (4, photos)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["photos"] == photos
    given = dict(zip(flags[::2], map(int, flags[1::2]), strict=True))
    assert report["fraction"] == found.metadata["fraction"] == given.get("--fraction")
    assert report["per_person"] == given.get("--per-person")


@pytest.mark.parametrize("layout", ["first-pair", "extracted", "new-protocol"])
def test_cuhk03_is_read_in_its_layouts(write_cuhk03, tmp_path, layout):
    write_cuhk03(layout, tmp_path / "cuhk03")
    assert not train(tmp_path / "cuhk03", tmp_path)
    found = load_baseline(tmp_path / "run" / "baseline.safetensors")
    assert (found.metadata["people"], found.metadata["photos"]) == (3, 12)
