"""Photos and poses in folders, files and tables, by name."""

import json

import pytest
import torch
from PIL import Image

from deformgan.bulk import find_pairs, list_sources, list_targets
from deformgan.datasets.pairs import write_pairs
from deformgan.errors import InputError
from deformgan.pose_formats import Annotations, read_annotations, write_annotations


@pytest.fixture
def photos(tmp_path):
    """A folder of photos, and of what is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("10.png", "9.JPG", ".9.unfinished.png"):
        Image.new("RGB", (4, 8)).save(folder / name)
    (folder / "notes.txt").write_text("")
    (folder / "sub.png").mkdir()
    return folder


@pytest.fixture
def poses(tmp_path, people):
    """A file of three poses, and what is in it."""
    path = tmp_path / "poses.json"
    names = ["a.jpg", "b.jpg", "c.jpg"]
    write_annotations(path, Annotations(names, people(3), size=(128, 64)))
    return path, read_annotations(path)


def test_folders_and_photos_are_listed_in_natural_order_without_hidden_files(photos, tmp_path):
    other = tmp_path / "other.png"
    Image.new("RGB", (4, 8)).save(other)
    sources = list_sources([str(other), str(photos)])
    assert [source.name for source in sources] == ["other.png", "9.JPG", "10.png"]
    assert [target.path for target in list_targets([str(photos)])] == [
        photos / "9.JPG",
        photos / "10.png",
    ]


def test_every_pose_of_a_file_is_a_target(poses):
    table, annotations = poses
    targets = list_targets([str(table)])
    assert [target.name for target in targets] == ["a.jpg", "b.jpg", "c.jpg"]
    for target in targets:
        assert target.posed is not None
        assert target.posed.size == (128, 64)
        assert torch.equal(target.posed.pose.joints, annotations[target.name].joints)
    (one,) = list_targets([f"{table}:b.jpg"])
    assert one.name == "b.jpg"
    assert one.posed is not None
    assert torch.equal(one.posed.pose.joints, annotations["b.jpg"].joints)


def test_another_person_of_a_pose_file_is_chosen_by_number(tmp_path):
    def keypoints(height):
        return [value for joint in range(17) for value in (joint % 4 * 5, joint * height, 2)]

    path = tmp_path / "coco.json"
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 128} for n in (1, 2)]
    found = [(1, keypoints(7)), (1, keypoints(2)), (2, keypoints(3))]
    annotations = [
        {"id": row, "image_id": image, "keypoints": points, "num_keypoints": 17}
        for row, (image, points) in enumerate(found)
    ]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    for person, height in ((0, 7), (1, 2)):
        (target,) = list_targets([f"{path}:1.jpg"], person)
        assert target.posed is not None
        assert target.posed.pose.joints[..., 1].max() == 16 * height
    with pytest.raises(InputError, match=r"no person 1 in '2\.jpg'"):
        list_targets([str(path)], person=1)


def test_a_single_pose_is_named_after_its_file(tmp_path, people):
    folder = tmp_path / "poses"
    folder.mkdir()
    for name in ("walk_2", "walk_10"):
        write_annotations(folder / f"{name}.json", Annotations(["pose"], people(1)))
    names = [target.name for target in list_targets([str(folder)])]
    assert names == ["walk_2.json", "walk_10.json"]


def test_source_poses_are_found_by_the_photos_names(photos, tmp_path, people):
    table = tmp_path / "sources.csv"
    annotations = Annotations(["10.png", "9.JPG", "more.png"], people(3))
    write_annotations(table, annotations)
    sources = list_sources([str(photos)], str(table))
    for source in sources:
        assert source.pose is not None
        assert torch.equal(source.pose.visible, annotations[source.name].visible)
    write_annotations(table, Annotations(["10.png"], people(1)))
    with pytest.raises(InputError, match=r"no pose for 1 of 2 photos, first 9\.JPG"):
        list_sources([str(photos)], str(table))


def test_pairs_are_found_by_name_once_and_in_the_photos_order(photos, poses, tmp_path):
    sources, targets = list_sources([str(photos)]), list_targets([str(poses[0])])
    table = tmp_path / "pairs.csv"
    wanted = [("10.png", "a.jpg"), ("9.JPG", "c.jpg"), ("10.png", "a.jpg"), ("9.JPG", "b.jpg")]
    write_pairs(table, wanted)
    assert find_pairs(table, sources, targets) == [(0, 1), (0, 2), (1, 0)]
    write_pairs(table, [("10.png", "10.png")])
    with pytest.raises(InputError, match=r"contains '10\.png', which is none of the poses"):
        find_pairs(table, sources, targets)


@pytest.mark.parametrize(
    ("listing", "word", "said"),
    [
        (list_sources, "gone", "gone does not exist"),
        (list_sources, "empty", "contains no photos"),
        (list_sources, "notes.txt", "neither a folder nor a photo"),
        (list_targets, "empty", "neither photos nor pose files"),
        (list_targets, "gone.jpg", r"gone\.jpg cannot be read"),
        (list_targets, "notes.txt", r"notes\.txt"),
    ],
)
def test_what_cannot_be_listed_is_refused(tmp_path, monkeypatch, listing, word, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no pose")
    with pytest.raises(InputError, match=said):
        listing([word])
