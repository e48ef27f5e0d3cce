"""The flag --background of generate and animate, and what stays as it was without it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.checkpoint import load_generator, save_generator
from deformgan.cli.main import main
from deformgan.datasets.bundled_people import FOLDER
from deformgan.models.generator import Generator

TABLE = FOLDER / "annotation.csv"
PHOTOS = sorted((FOLDER / "bounding_box_train").glob("*.jpg"))
SOURCE, TARGET = PHOTOS[0], PHOTOS[1]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The bundled `pedestrian-base`, with a path for the scene that does something."""
    base, metadata = load_generator("pedestrian-base")
    generator = Generator(replace(base.config, background=True))
    first = "target_encoder.0.weight"
    state = base.state_dict()
    torch.manual_seed(0)
    state[first] = torch.cat([state[first], 0.2 * torch.randn(len(state[first]), 3, 3, 3)], dim=1)
    generator.load_state_dict(state)
    path = tmp_path_factory.mktemp("weights") / "scene.safetensors"
    save_generator(path, generator, metadata)
    return path


def generate(out, *words):
    common = [str(SOURCE), f"{TABLE}:{TARGET.name}", "--source-pose", f"{TABLE}:{SOURCE.name}"]
    return main(["generate", *common, "--out", str(out), *map(str, words)])


def scene(path, size=(64, 128), seed=0):
    random = np.random.default_rng(seed)
    Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize(size).save(path)
    return path


def test_without_the_flag_the_picture_is_the_one_it_always_was(tmp_path):
    out = tmp_path / "out.png"
    assert generate(out, "--weights", "pedestrian-base", "--json", tmp_path / "r.json") == 0
    with Image.open(out) as picture:
        pixels = np.array(picture)
    assert json.loads((tmp_path / "r.json").read_text())["background"] is None
    # A generator that knows nothing of backgrounds, called as before there were any.
    generator, _ = load_generator("pedestrian-base")
    assert not generator.config.background
    assert generator.target_encoder[0].in_channels == 18
    from deformgan.pose_formats import read_pose
    from deformgan.predict import PoseTransfer

    poses = [read_pose(f"{TABLE}:{photo.name}") for photo in (SOURCE, TARGET)]
    expected = PoseTransfer(generator, (128, 64))(SOURCE, poses[1], source_pose=poses[0])
    assert np.array_equal(pixels, np.asarray(expected))


def test_the_scene_changes_the_picture_and_any_size_is_framed(weights, tmp_path):
    pictures = []
    for number, size in enumerate([(64, 128), (640, 400), (64, 128)]):
        place = scene(tmp_path / f"scene{number}.png", size, seed=number % 2)
        out = tmp_path / f"out{number}.png"
        assert generate(out, "--weights", weights, "--background", place) == 0
        with Image.open(out) as picture:
            assert picture.size == (64, 128)
            pictures.append(np.array(picture).astype(int))
    assert np.abs(pictures[0] - pictures[1]).mean() > 1
    assert np.array_equal(pictures[0], pictures[2])


def test_every_frame_of_an_animation_is_in_the_scene(weights, tmp_path):
    out = tmp_path / "out.gif"
    words = ["animate", str(SOURCE), str(FOLDER / "walk.csv"), "--out", str(out)]
    words += ["--source-pose", f"{TABLE}:{SOURCE.name}", "--weights", str(weights)]
    assert main([*words, "--background", str(scene(tmp_path / "scene.png"))]) == 0
    with Image.open(out) as picture:
        assert getattr(picture, "n_frames", 1) >= 12


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--weights", "pedestrian-base", "--background", "{scene}"],
            "generate the scene themselves",
        ),
        (["--weights", "{weights}"], "require a photo as --background"),
        (["--weights", "{weights}", "--background", "gone.png"], "gone.png does not exist"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(weights, tmp_path, capsys, words, said):
    place = scene(tmp_path / "scene.png")
    words = [word.format(weights=weights, scene=place) for word in words]
    assert generate(tmp_path / "out.png", *words) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "deformgan:" in line]
    assert len(error) == 1
    assert said in error[0]
    assert not (tmp_path / "out.png").exists()
