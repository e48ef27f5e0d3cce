"""Files that systems hide among photos are no photos: every reader is as without them."""

import shutil

import pytest
from PIL import Image

from deformgan.datasets import open_dataset
from deformgan.datasets.bundled_people import FOLDER
from deformgan.datasets.doctor import examine
from deformgan.photos import Photos
from deformgan.reid.generated_photos import GeneratedPhotos
from deformgan.reid.person_photos import read_person_photos
from deformgan.reid.training_photos import read_training_photos, training_people

PHOTO = "0001_c1s1_000001_00.jpg"
NAMES = [f"._{PHOTO}", ".DS_Store", "Thumbs.db", f".{PHOTO}", ".hidden.png", "desktop.ini"]


@pytest.fixture
def market(tmp_path):
    """Six of the bundled photos."""
    photos = tmp_path / "m" / "bounding_box_train"
    photos.mkdir(parents=True)
    for path in sorted((FOLDER / photos.name).iterdir())[:6]:
        shutil.copy(path, photos)
    shutil.copy(FOLDER / "annotation.csv", photos.parent)
    return photos.parent


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"\0\x05\x16\x07", b""])
def test_12_readers_pass_over(market, name, content):
    photos = market / "bounding_box_train"
    expected = sorted(path.name for path in photos.iterdir())
    (photos / name).write_bytes(content)
    (market / name).write_bytes(content)
    assert read_person_photos(photos).names == expected
    assert training_people(market).names == expected
    assert read_training_photos(market).names == expected
    assert open_dataset(market).names == expected
    assert Photos(photos).names == expected
    found = examine(market)
    assert found.counts["images"]["bounding_box_train"]["images"] == len(expected)
    faults = {one.kind for one in found.findings if (one.file or "").endswith(name)}
    assert faults <= {"not-looked-at"}


@pytest.mark.parametrize("name", [f"._{PHOTO[:-4]}g1.jpg", ".DS_Store"])
def test_12_generated_photos_are_read_without(market, tmp_path, name):
    made = tmp_path / "made"
    made.mkdir()
    Image.new("RGB", (64, 128)).save(made / f"{PHOTO[:-4]}g1.jpg")
    (made / name).write_bytes(b"\0")
    found = GeneratedPhotos.open(made, training_people(market))
    assert len(found.strays) == 0


@pytest.mark.slow
def test_12_the_set_of_the_report(case, run, tmp_path):
    folder = case("12-appledouble") / "set"
    _, _, error = run("data", "check", folder)
    assert "error" not in error
    small = ["--steps", "1", "--batch-size", "8", "--size", "64", "32"]
    words = ["reid", "train", "light-ide", "--data", folder, "--out", tmp_path / "r", *small]
    code, _, error = run(*words)
    assert code == 0, error
