"""Our own weights as a system: they paint what the generator paints, and keep it if asked."""

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.checkpoint import save_generator, weights_sum
from deformgan.errors import InputError
from deformgan.evaluation.pair_photos import PairPhotos
from deformgan.evaluation.systems import Weights, picture_name
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.painting import paint
from deformgan.pair import View
from deformgan.pixels import to_bytes, to_float, to_image, to_photos
from deformgan.predict import PoseTransfer

CONFIG = GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6), warped_levels=2)


@pytest.fixture
def weights(tmp_path):
    """A file of random weights for pictures of 128x64."""
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save_generator(path, Generator(CONFIG).eval(), {"size": [128, 64], "recipe": "tiny"})
    return path


@pytest.fixture
def photos(pair_set):
    folder = pair_set(4)
    return PairPhotos.open(folder / "images", folder / "poses.csv", folder / "pairs.csv")


def test_pictures_are_those_of_the_generator(weights, photos):
    system = Weights.load(str(weights))
    found = system.pictures(photos, [2, 0])
    assert sorted(found.by_row) == [0, 2]
    assert found.problems == []
    for row in (0, 2):
        source = View(to_float(photos.sources([row])), photos.source_poses([row]))
        with torch.inference_mode():
            painted = to_bytes(system.generator(source, photos.target_poses([row])))[0]
        assert (found.by_row[row].int() - painted.int()).abs().max() <= 1


def test_pictures_are_kept_under_both_photos_names(weights, photos, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    system = Weights.load(str(weights), save=kept)
    assert system.describe()["generated"] == str(kept)
    found = system.pictures(photos, [0, 1])
    assert sorted(path.name for path in kept.iterdir()) == [
        "person.0__person.1.png",
        "person.1__person.2.png",
    ]
    for row in (0, 1):
        image = Image.open(kept / picture_name(*photos.pairs[row]))
        assert image.mode == "RGB"
        assert np.array_equal(np.array(image), found.by_row[row].permute(1, 2, 0).numpy())


def test_a_report_can_tell_the_weights_apart(weights, tmp_path):
    described = Weights.load(str(weights)).describe()
    assert described["weights"] == str(weights)
    assert described["sha256"] == weights_sum(weights)
    assert described["metadata"]["recipe"] == "tiny"
    torch.manual_seed(1)
    save_generator(weights, Generator(CONFIG).eval(), {"size": [128, 64], "recipe": "tiny"})
    assert Weights.load(str(weights)).describe()["sha256"] != described["sha256"]


@pytest.mark.parametrize("size", [(128, 64), (256, 96), (96, 80)])
def test_weights_with_layers_paint_the_size_of_the_target(layered_weights, pair_set, size):
    folder = pair_set(3, size=size)
    # One photo is larger than all others: as a source it comes to the target's size.
    large = folder / "images" / "person.1.png"
    with Image.open(large) as image:
        image.resize((2 * size[1], 2 * size[0])).save(large)
    photos = PairPhotos.open(folder / "images", folder / "poses.csv", folder / "pairs.csv")
    system = Weights.load(str(layered_weights))
    rows = [row for row in range(3) if photos.sizes[row] == size]
    found = system.pictures(photos, rows)
    assert sorted(found.by_row) == rows
    for picture in found.by_row.values():
        assert picture.shape == (3, *size)
    source = View(to_float(photos.sources([2])), photos.source_poses([2]))
    with torch.inference_mode():
        painted = to_bytes(system.generator(source, photos.target_poses([2])))[0]
    assert (found.by_row[2].int() - painted.int()).abs().max() <= 1


def test_people_are_in_front_of_their_own_photos_scene_if_asked(layered_weights, pair_set):
    folder = pair_set(3, size=(256, 96))
    photos = PairPhotos.open(folder / "images", folder / "poses.csv", folder / "pairs.csv")
    system = Weights.load(str(layered_weights), scene="source")
    assert system.describe()["background"] == "source"
    assert "background" not in Weights.load(str(layered_weights)).describe()
    found = system.pictures(photos, [0, 1])
    for row in (0, 1):
        image, pose = photos.sources([row]), photos.source_poses([row])
        staging = PoseTransfer(system.generator, system.size).staging
        emptied = to_image(staging.empty(to_photos(image)[0], pose))
        view = View(to_float(image), pose)
        (wanted,) = paint(
            system.generator, view, photos.target_poses([row]), (256, 96), background=emptied
        )
        assert (found.by_row[row].int() - wanted.int()).abs().max() <= 1


def test_a_scene_needs_layers(weights):
    with pytest.raises(InputError, match="generate the scene themselves"):
        Weights.load(str(weights), scene="source")


def test_photos_of_another_size_are_refused_with_both_sizes(weights, pair_set):
    folder = pair_set(3, size=(96, 80))
    photos = PairPhotos.open(folder / "images", folder / "poses.csv", folder / "pairs.csv")
    with pytest.raises(InputError, match=r"is 96x80 pixels .* need photos of 128x64"):
        Weights.load(str(weights)).pictures(photos, [0])


def test_weights_that_do_not_say_their_size_are_refused(tmp_path):
    path = tmp_path / "plain.safetensors"
    save_generator(path, Generator(CONFIG), {})
    with pytest.raises(InputError, match="lack the image size"):
        Weights.load(str(path))
