"""The command `deformgan train` on a folder in Market-1501's layout."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.checkpoint import load_generator
from deformgan.cli.main import main
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.pose_formats.annotation_csv import write_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.recipes import RECIPES
from deformgan.training.config import LossWeights, TrainConfig


@pytest.fixture(scope="module")
def data(people, tmp_path_factory):
    """Two people in four noisy photos each."""
    root = tmp_path_factory.mktemp("market")
    folder = root / "bounding_box_train"
    folder.mkdir()
    names = [f"{who:04d}_c1s1_{frame:06d}_00.jpg" for who, frame in product((2, 7), range(4))]
    random = np.random.default_rng(0)
    for name in names:
        coarse = random.integers(0, 256, (8, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 128)).save(folder / name, quality=95)
    pose = people(len(names))
    write_annotation_csv(
        root / "market-annotation-train.csv", Annotations(names, pose, source="a test")
    )
    return root


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """A file of random weights in the layout of Oxford's."""
    random = np.random.default_rng(0)
    arrays = {}
    for name, outputs, inputs in [("conv1_1", 64, 3), ("conv1_2", 64, 64)]:
        weight = random.normal(0, (2 / (9 * inputs)) ** 0.5, (outputs, inputs, 3, 3))
        arrays[f"{name}.weight"] = weight.astype(np.float32)
        arrays[f"{name}.bias"] = np.zeros(outputs, dtype=np.float32)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture
def tiny(monkeypatch):
    """Registers a recipe that trains in a moment."""
    recipe = TrainConfig(
        recipe="tiny",
        generator=GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6)),
        discriminator=DiscriminatorConfig(widths=(4, 6)),
        weights=LossWeights(nearest_neighbour=0.01),
        batch_size=2,
        steps=4,
        rendered_share=0.5,
        log_every=1,
    )
    monkeypatch.setitem(RECIPES, "tiny", lambda: recipe)
    return recipe


def complaint_of(capsys, *arguments):
    """Runs a command line that must fail as a user's mistake, and gives its one line."""
    assert main(["train", *map(str, arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("deformgan: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_the_bundled_recipe_trains_and_its_result_generates(data, vgg, tmp_path, capsys):
    out = tmp_path / "runs" / "x"
    arguments = ["--data", data, "--out", out, "--vgg", vgg, "--steps", 2, "--batch-size", 2]
    assert main(["train", "pedestrian-small", *map(str, arguments)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "generator.safetensors")
    (record,) = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert record["step"] == 2
    assert {"adversarial", "nearest_neighbour", "discriminator"} <= record.keys()
    assert all(np.isfinite(value) for value in record.values())
    samples = Image.open(out / "samples" / "0000002.png")
    assert samples.size == (3 * 64, 8 * 128)
    generator, metadata = load_generator(out / "generator.safetensors")
    assert generator.config == RECIPES["pedestrian-small"]().generator
    expected = {"recipe": "pedestrian-small", "steps": 2, "samples": 4, "size": [128, 64]}
    assert expected.items() <= metadata.items()
    assert metadata["data"] == [data.name]


def test_every_recipe_is_named_as_it_is_called_and_fits_its_device():
    for name, make in RECIPES.items():
        assert make().recipe == name
    with torch.device("meta"):
        generator = Generator(RECIPES["pedestrian-small"]().generator)
    assert sum(parameter.numel() for parameter in generator.parameters()) <= 8_000_000


def test_a_run_is_resumed_from_the_command_line_as_if_unbroken(data, vgg, tmp_path, tiny):
    common = ["train", "tiny", "--data", str(data), "--vgg", str(vgg)]
    assert main([*common, "--out", str(tmp_path / "a")]) == 0
    assert main([*common, "--out", str(tmp_path / "b"), "--steps", "2"]) == 0
    assert main([*common, "--out", str(tmp_path / "b"), "--resume"]) == 0
    one, other = (load_generator(tmp_path / run / "generator.safetensors") for run in "ab")
    assert one[1] == other[1]
    for name, value in one[0].state_dict().items():
        assert torch.equal(value, other[0].state_dict()[name]), name


def test_flags_change_the_recipe_and_rendered_people_are_mixed_in(data, vgg, tmp_path, tiny):
    arguments = ["--data", data, "--rendered", data, "--out", tmp_path, "--vgg", vgg]
    arguments += ["--steps", 1, "--seed", 3, "--learning-rate", 0.001, "--threads", 1]
    assert main(["train", "tiny", *map(str, arguments)]) == 0
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    settings = {name: json.loads(value) for name, value in state["config"].items()}
    assert settings["seed"] == 3
    assert settings["learning_rate"] == 0.001
    assert settings["batch_size"] == tiny.batch_size
    _, metadata = load_generator(tmp_path / "generator.safetensors")
    assert metadata["data"] == [data.name] * 2


def test_an_unknown_recipe_lists_the_known_ones(data, tmp_path, capsys):
    complaint = complaint_of(capsys, "pedestrian-smal", "--data", data, "--out", tmp_path / "x")
    assert "Unknown recipe 'pedestrian-smal'; choose one of " in complaint
    assert all(name in complaint for name in RECIPES)
    assert not (tmp_path / "x").exists()


def test_a_folder_that_holds_a_run_is_left_alone_without_resume(data, vgg, tmp_path, tiny, capsys):
    arguments = ["tiny", "--data", data, "--vgg", vgg, "--out", tmp_path, "--steps", 1]
    assert main(["train", *map(str, arguments)]) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    capsys.readouterr()
    complaint = complaint_of(capsys, *arguments)
    assert "already holds a run; add --resume" in complaint
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


def test_a_run_is_not_resumed_with_other_settings(data, vgg, tmp_path, tiny, capsys):
    arguments = ["tiny", "--data", data, "--vgg", vgg, "--out", tmp_path]
    assert main(["train", *map(str, arguments), "--steps", "1"]) == 0
    capsys.readouterr()
    complaint = complaint_of(capsys, *arguments, "--resume", "--seed", 4)
    assert "other settings (seed)" in complaint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--data": "no/such/folder"}, ["no/such/folder", "does not exist"]),
        ({"--vgg": "no/such/file.npz"}, ["no/such/file.npz"]),
        ({"--rendered": "no/such/folder"}, ["no/such/folder", "does not exist"]),
        ({"--device": "toaster"}, ["toaster", "cpu"]),
        ({"--steps": "0"}, ["--steps must be positive, got 0"]),
        ({"--batch-size": "-2"}, ["--batch-size must be positive, got -2"]),
        ({"--learning-rate": "0"}, ["--learning-rate must be positive"]),
        ({"--log-every": "0"}, ["--log-every must be positive"]),
        ({"--save-every": "0"}, ["--save-every must be positive"]),
        ({"--threads": "0"}, ["--threads must be positive"]),
        ({"--seed": "-1"}, ["--seed must be positive"]),
        ({"--precision": "float16"}, ["float16", "bfloat16"]),
        ({"--batch-size": "100"}, ["24 pairs, fewer than the 100"]),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    changes, words, data, vgg, tmp_path, tiny, capsys
):
    given = {"--data": data, "--vgg": vgg, "--out": tmp_path / "x"} | changes
    complaint = complaint_of(capsys, "tiny", *(word for pair in given.items() for word in pair))
    assert all(word in complaint for word in words), complaint
    assert not (tmp_path / "x").exists()


def test_an_output_folder_that_is_a_file_is_refused(data, vgg, tmp_path, tiny, capsys):
    (tmp_path / "x").write_text("")
    complaint = complaint_of(capsys, "tiny", "--data", data, "--vgg", vgg, "--out", tmp_path / "x")
    assert "a file is in its place" in complaint


def test_a_recipe_without_features_needs_no_vgg(data, tmp_path, tiny, monkeypatch):
    plain = replace(tiny, weights=LossWeights(l1=100.0), steps=1)
    monkeypatch.setitem(RECIPES, "tiny", lambda: plain)
    assert main(["train", "tiny", "--data", str(data), "--out", str(tmp_path)]) == 0
