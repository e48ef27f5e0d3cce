"""Photos without joints: who they show, where queries come from."""

import json

import pytest
from PIL import Image

from deformgan.errors import InputError
from deformgan.reid.person_photos import query_and_gallery, read_person_photos


def fill(folder, *names, size=(32, 64)):
    folder.mkdir(parents=True, exist_ok=True)
    for grey, name in enumerate(names):
        Image.new("RGB", size, (10 * grey,) * 3).save(folder / name)
    return folder


def test_names_say_who_and_which_camera(tmp_path):
    folder = fill(
        tmp_path / "a", "0007_c12s1_000451_03.png", "-1_c2s1_000001_00.png", "0000_c1s1_1_1.png"
    )
    (folder / "Thumbs.db").write_text("x")
    photos = read_person_photos(folder)
    assert photos.identities == ["-1", "0000", "0007"]
    assert photos.cameras.tolist() == [2, 1, 12]
    assert len(photos) == 3
    assert photos.images().shape == (3, 3, 64, 32)
    assert photos.images((128, 64)).shape == (3, 3, 128, 64)


def test_photos_of_other_sizes_are_stretched(tmp_path):
    fill(tmp_path / "a", "0001_c1s1_1_1.png")
    fill(tmp_path / "a", "0001_c1s1_2_1.png", "0001_c1s1_3_1.png", size=(40, 90))
    assert read_person_photos(tmp_path / "a").images().shape == (3, 3, 64, 32)


def test_official_folders_are_query_and_gallery(tmp_path):
    fill(tmp_path / "query", "0001_c1s1_1_0.png")
    fill(tmp_path / "bounding_box_test", "0001_c2s1_1_1.png", "0000_c1s1_1_1.png")
    query, gallery = query_and_gallery(tmp_path)
    assert query.names == ["0001_c1s1_1_0.png"]
    assert gallery.names == ["0000_c1s1_1_1.png", "0001_c2s1_1_1.png"]


def test_without_them_the_first_photo_of_each_test_person_by_each_camera_asks(tmp_path):
    names = [f"000{who}_c{c}s1_{frame}_1.png" for who in (1, 2) for c in (1, 2) for frame in (1, 2)]
    fill(tmp_path / "bounding_box_train", *names)
    split = {"train": ["0001"], "test": ["0002"]}
    (tmp_path / "identity-split.json").write_text(json.dumps(split))
    query, gallery = query_and_gallery(tmp_path)
    assert query.names == ["0002_c1s1_1_1.png", "0002_c2s1_1_1.png"]
    assert gallery.names == [name for name in names if name.startswith("0002")]


def test_folders_that_will_not_do_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_person_photos(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no photos"):
        read_person_photos(tmp_path / "empty")
    with pytest.raises(InputError, match="holiday"):
        read_person_photos(fill(tmp_path / "b", "holiday.png"))
    with pytest.raises(InputError, match="has no test set"):
        query_and_gallery(tmp_path / "b")
    (tmp_path / "b" / "holiday.png").unlink()
    fill(tmp_path / "b", "0001_c1s1_1_1.png")
    (tmp_path / "b" / "identity-split.json").write_text('{"train": ["0001"], "test": ["0005"]}')
    with pytest.raises(InputError, match="no photo of its test identities"):
        query_and_gallery(tmp_path / "b")
