"""Whom to train on and whom to test on."""

import json
import shutil

import pytest

from deformgan.datasets.bundled_people import FOLDER
from deformgan.datasets.held_out import open_split
from deformgan.datasets.market1501 import Market1501
from deformgan.errors import InputError


def test_without_a_split_every_fifth_person_is_held_out_and_nobody_is_on_both_sides():
    found = open_split(FOLDER)
    train, test = set(found.train.identities), set(found.test.identities)
    everybody = Market1501(FOLDER)
    assert sorted(test) == sorted(set(everybody.identities))[4::5]
    assert not train & test
    assert train | test == set(everybody.identities)
    assert sorted(found.train.names + found.test.names) == sorted(everybody.names)
    row = everybody.names.index(found.test.names[3])
    assert found.test.images[3].equal(everybody.images[row])
    assert found.test.poses.joints[3].equal(everybody.poses.joints[row])
    assert "every 5th" in found.rule


def test_a_split_of_its_own_counts(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "crowd")
    split = {"train": ["0001", "0002"], "test": ["0003"]}
    (tmp_path / "crowd" / "identity-split.json").write_text(json.dumps(split))
    found = open_split(tmp_path / "crowd")
    assert set(found.train.identities) == {"0001", "0002"}
    assert set(found.test.identities) == {"0003"}
    assert found.rule == "the data set's own"


def test_too_few_people_to_hold_anybody_out_are_refused(tmp_path):
    folder = tmp_path / "crowd"
    (folder / "bounding_box_train").mkdir(parents=True)
    shutil.copy(FOLDER / "annotation.csv", folder)
    for path in FOLDER.glob("bounding_box_train/000[1-4]_*"):
        shutil.copy(path, folder / "bounding_box_train")
    with pytest.raises(InputError, match="4 people are too few to hold out one in 5"):
        open_split(folder)


def test_other_errors_of_a_split_are_not_taken_for_none(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "crowd")
    (tmp_path / "crowd" / "identity-split.json").write_text("{}")
    with pytest.raises(InputError, match=r"identity-split\.json is not a split"):
        open_split(tmp_path / "crowd")
