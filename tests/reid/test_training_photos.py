"""Reading what to learn from: who is left out, what is generated, who has which number."""

import json

import pytest
import torch
from PIL import Image

from deformgan.errors import InputError
from deformgan.reid.manifest import MANIFEST, write_manifest
from deformgan.reid.training_photos import read_training_photos
from tests.reid.invented import generated_photo

NAMES = [
    "-1_c1s1_000001_00.jpg",
    "0000_c1s1_000001_00.jpg",
    "0002_c1s1_000451_03.jpg",
    "0002_c1s1_000451_03g1.jpg",
    "0007_c2s1_000151_01.jpg",
    "0007_c2s1_000151_01g1.jpg",
    "1500_c3s1_000151_01.jpg",
]


@pytest.fixture
def market(tmp_path):
    """Six people's photos, each of one grey, two of them generated."""
    folder = tmp_path / "bounding_box_train"
    folder.mkdir()
    for grey, name in enumerate(NAMES):
        Image.new("RGB", (32, 64), (20 * grey,) * 3).save(folder / name, quality=95)
    return tmp_path


def manifest(market, label="same"):
    photos = [
        generated_photo(f"{stem}g1.jpg", f"{stem}.jpg", label=label)
        for stem in ("0002_c1s1_000451_03", "0007_c2s1_000151_01")
    ]
    write_manifest(market / MANIFEST, photos)


def test_junk_and_distractors_are_nobody_to_learn_from(market):
    photos = read_training_photos(market)
    assert photos.names == NAMES[2:]
    assert photos.classes.tolist() == [0, 0, 1, 1, 2]
    assert photos.cameras.tolist() == [1, 1, 2, 2, 3]
    assert photos.num_classes == 3
    # Each photo of one grey: rows and pixels belong together.
    assert photos.images.float().mean(dim=(1, 2, 3)).tolist() == pytest.approx(
        [40, 60, 80, 100, 120], abs=1
    )


def test_test_people_are_left_out_unless_asked_for(market):
    split = {"train": ["0002", "0007"], "test": ["1500"]}
    (market / "identity-split.json").write_text(json.dumps(split))
    assert read_training_photos(market).names == NAMES[2:6]
    assert read_training_photos(market, "test").names == NAMES[6:]
    assert read_training_photos(market, "all").names == NAMES[2:]


def test_the_manifest_says_what_is_generated_and_whose_labels_are_soft(market):
    assert not read_training_photos(market).generated.any()
    manifest(market)
    photos = read_training_photos(market)
    assert photos.generated.tolist() == [False, True, False, True, False]
    assert not photos.soft.any()
    manifest(market, label="soft")
    assert torch.equal(read_training_photos(market).soft, photos.generated)


def test_photos_are_stretched_to_a_size(market):
    assert read_training_photos(market, size=(128, 64)).images.shape == (5, 3, 128, 64)
    assert read_training_photos(market).images.shape == (5, 3, 64, 32)


def test_some_photos_keep_the_numbers_of_their_people(market):
    some = read_training_photos(market).take(torch.tensor([4, 0]))
    assert some.names == [NAMES[6], NAMES[2]]
    assert some.classes.tolist() == [2, 0]
    assert len(some) == 2


def test_a_set_of_nobody_is_refused(market):
    split = {"train": ["0009"], "test": ["1500"]}
    (market / "identity-split.json").write_text(json.dumps(split))
    with pytest.raises(InputError, match="has no training photos"):
        read_training_photos(market)
    with pytest.raises(InputError, match="does not exist"):
        read_training_photos(market / "absent")
