"""Generated pictures are found by the photos they were made of."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.errors import InputError
from deformgan.reid.generated_photos import GeneratedPhotos
from deformgan.reid.manifest import GeneratedPhoto, write_manifest
from deformgan.reid.training_photos import read_training_photos, training_people
from tests.reid.invented import generated_photo

NAMES = [
    "0002_c1s1_000451_03.jpg",
    "0002_c2s1_000301_01.jpg",
    "0007_c1s6_028546_01.jpg",
    "0007_c3s3_077419_03.jpg",
]


def _save(path: Path, grey: int, size: tuple[int, int] = (64, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), grey, dtype=np.uint8)).save(path)


@pytest.fixture
def market(tmp_path) -> Path:
    for number, name in enumerate(NAMES):
        _save(tmp_path / "market" / "bounding_box_train" / name, 10 * number)
    return tmp_path / "market"


def _open(market: Path, folder: Path):
    return GeneratedPhotos.open(folder, training_people(market)), read_training_photos(market)


def test_numbered_names_are_read_and_the_first_ones_come_first(market, tmp_path):
    folder = tmp_path / "made"
    for number in (10, 2, 1):
        _save(folder / f"0002_c1s1_000451_03g{number}.png", 100 + number)
    _save(folder / "0007_c3s3_077419_03g1.jpg", 150, (128, 64))
    _save(folder / "0009_c1s1_000001_01g1.jpg", 0)  # of nobody who is learnt from
    found, real = _open(market, folder)
    assert found.strays == ["0009_c1s1_000001_01g1.jpg"]
    made = found.generate(real, 2, 0)
    assert made.names == [
        "0002_c1s1_000451_03g1.png",
        "0002_c1s1_000451_03g2.png",
        "0007_c3s3_077419_03g1.jpg",
    ]
    assert made.images[:, 0, 0, 0].tolist() == [101, 102, 150]
    assert made.images.shape[2:] == (64, 32)
    assert made.classes.tolist() == [0, 0, 1]
    assert made.cameras.tolist() == [1, 1, 3]
    assert found.generate(real.take(torch.tensor([1, 2])), 2, 0).names == []


def test_pictures_of_pairs_are_read_whoever_named_them(market, tmp_path):
    folder = tmp_path / "made"
    first, second, third, fourth = (Path(name).stem for name in NAMES)
    _save(folder / f"{first}__{second}.png", 120, (128, 64))
    _save(folder / f"{second}_2_{third}_vis.png", 130)
    three = np.zeros((64, 96, 3), dtype=np.uint8)
    three[:, 64:] = 140  # source, target, generated
    Image.fromarray(three).save(folder / f"{third}.jpg_{fourth}.jpg.png")
    found, real = _open(market, folder)
    made = found.generate(real, 1, 0)
    assert made.images[:, 0, 5, 5].tolist() == [120, 130, 140]
    assert made.classes.tolist() == [0, 0, 1]


def _photo(name: str, source: str, label: str, identity: str, number: int = 1) -> GeneratedPhoto:
    return generated_photo(
        name, source, target=NAMES[0], label=label, identity=identity, number=number
    )


def test_a_manifest_says_whose_pictures_are_and_with_which_labels(market, tmp_path):
    folder = tmp_path / "augmented"
    listed = [
        _photo("0002_c1s1_000451_03g1.jpg", NAMES[0], "same", "0002"),
        _photo("0002_c2s1_000301_01g1.jpg", NAMES[1], "soft", "0002"),
        _photo("1502_c1s6_028546_01g1.jpg", NAMES[2], "new", "1502"),
    ]
    for number, photo in enumerate(listed):
        _save(folder / "bounding_box_train" / photo.name, 100 + number)
    write_manifest(folder / "manifest.jsonl", listed)
    found, real = _open(market, folder)
    made = found.generate(real, 1, 0)
    assert made.names == [photo.name for photo in listed]
    assert made.soft.tolist() == [False, True, False]
    assert made.classes.tolist() == [0, 0, 2]  # somebody new, after the two real people
    assert made.generated.all()


def test_what_cannot_be_read_is_said(market, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        _open(market, tmp_path / "nothing")
    _save(tmp_path / "others" / "cat.png", 0)
    with pytest.raises(InputError, match="has no image generated from a training photo"):
        _open(market, tmp_path / "others")
    (tmp_path / "shards").mkdir()
    write_manifest(
        tmp_path / "shards" / "manifest.jsonl", [_photo("ag1.jpg", NAMES[0], "same", "0002")]
    )
    with pytest.raises(InputError, match="which is neither in"):
        _open(market, tmp_path / "shards")


def test_a_folder_is_described_by_its_pictures(market, tmp_path):
    folder = tmp_path / "made"
    _save(folder / "0002_c1s1_000451_03g1.png", 100)
    first = _open(market, folder)[0].describe()
    assert first == _open(market, folder)[0].describe()
    _save(folder / "0002_c1s1_000451_03g2.png", 100)
    assert _open(market, folder)[0].describe() != first


@pytest.mark.parametrize(
    ("stated", "described"),
    [({}, {}), ({"background": "paint"}, {}), ({"background": "target"},) * 2],
)
def test_scenes_other_than_painted_ones_are_described(market, tmp_path, stated, described):
    folder = tmp_path / "made"
    _save(folder / "0002_c1s1_000451_03g1.png", 100)
    made = dict.fromkeys(
        ("weights", "weights_sha256", "policy", "labels", "per_image", "seed"), "x"
    )
    (folder / "augment.json").write_text(json.dumps(made | stated))
    found = _open(market, folder)[0].describe()
    assert found["policy"] == "x"
    assert {name: found[name] for name in ("background",) if name in found} == described
