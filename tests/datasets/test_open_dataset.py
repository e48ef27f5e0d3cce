"""A folder says what it is."""

from pathlib import Path

import pytest

from deformgan.datasets import DATASETS, open_dataset, recognize
from deformgan.datasets.bundled_people import bundled_photo_set
from deformgan.datasets.deepfashion import DeepFashion
from deformgan.errors import InputError

CONTENTS = {
    "cuhk03": ["images/0000_07.jpg", "annotation.csv"],
    "cuhk03 new protocol": ["detected/bounding_box_train/0001_c1_5_0001.png"],
    "cuhk03 half of it": ["labeled/bounding_box_test/0001_c1_5_0001.png"],
    "cuhk03 extracted": ["images_detected/1_001_1_01.png", "splits_new_detected.json"],
    "market1501": ["bounding_box_train/", "market-annotation-train.csv"],
    "market1501 flat": ["0002_c1s1_000451_03.jpg", "annotation.csv"],
    "market1501 of another set": ["0001_c2_f0046182.jpg", "annotation.csv"],
    "synthetic": ["bounding_box_train/", "masks/", "annotation.csv"],
    "deepfashion": ["img/fashionMENDenimid0000008001_7additional.png", "annotation.csv"],
    "deepfashion flat": ["fasionWOMENDressesid0000553705_4full.jpg"],
    "deepfashion as published": ["In-shop/img/WOMEN/Dresses/id_00005537/05_4_full.jpg"],
    "deepfashion tables": ["fasion-annotation-test.csv", "some/"],
    "deepfashion tables of both splits": ["old/fasion-annotation-test.csv", "new/"],
    "folder": ["ann/beach.jpg", "annotation.csv"],
    "folder with json": ["ann/beach.jpg", "annotation.json"],
}


def make(root: Path, contents: list[str]) -> None:
    for name in contents:
        if name.endswith("/"):
            (root / name).mkdir(parents=True)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_folder_is_recognized_by_what_is_in_it(tmp_path, kind):
    make(tmp_path, CONTENTS[kind])
    assert recognize(tmp_path) == kind.split()[0]


@pytest.mark.parametrize("contents", [[], ["ann/beach.jpg"], ["annotation.csv"], ["a.txt", "b/"]])
def test_a_folder_that_is_none_of_them_is_refused_and_told_what_they_are(tmp_path, contents):
    make(tmp_path, contents)
    with pytest.raises(InputError, match=r"contains no known data set: .*bounding_box_train"):
        open_dataset(tmp_path)


def test_an_absent_folder_and_an_unknown_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="absent does not exist"):
        open_dataset(tmp_path / "absent")
    with pytest.raises(
        InputError, match=f"Unknown data set 'prw'; choose one of {next(iter(DATASETS))}"
    ):
        open_dataset(tmp_path, "prw")


def test_shared_folders_are_opened_as_what_they_are(shared):
    data = open_dataset(shared / "deepfashion-pairs", size=(128, 64))
    assert isinstance(data, DeepFashion)
    assert data.size == (128, 64)
    assert len(open_dataset(shared / "market1501", "market1501", "test")) == 1803


def test_the_bundled_people_are_a_data_set_as_often_as_wanted():
    once, twice = bundled_photo_set(), bundled_photo_set(repeats=2)
    assert once.usable.all()
    assert len(once.pairs) == sum(
        n * (n - 1) for n in (once.identities.count(who) for who in set(once.identities))
    )
    assert len(twice) == 2 * len(once)
    assert (twice.images[len(once) :] == once.images).all()
