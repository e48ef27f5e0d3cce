"""Own photos, a folder for each person."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets.folder import Folder
from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats import Annotations, write_annotation_csv
from deformgan.skeletons.openpose18 import OPENPOSE18

JOINTS = (  # COCO's
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
)
PHOTOS = {
    "ann/beach.jpg": (300, 200),
    "ann/city.png": (128, 64),
    "bob/beach.jpg": (240, 320),
    "bob/park.JPG": (400, 150),
    "cleo/alone.jpg": (200, 100),
}


@pytest.fixture
def table(people):
    standing = people(len(PHOTOS))
    scale = torch.tensor([height / 128 for height, _ in PHOTOS.values()])
    return Annotations(list(PHOTOS), Pose(standing.joints * scale[:, None, None], standing.visible))


@pytest.fixture
def root(tmp_path, table):
    for number, (name, size) in enumerate(PHOTOS.items()):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((*size, 3), 40 * number, dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "ann" / "notes.txt").write_text("no photo")
    (tmp_path / ".hidden").mkdir()
    write_annotation_csv(tmp_path / "annotation.csv", table)
    return tmp_path


def test_photos_of_any_size_come_to_the_models_with_their_people(root, table):
    data = Folder(root)
    assert data.names == list(PHOTOS)
    assert data.identities == ["ann", "ann", "bob", "bob", "cleo"]
    assert data.cameras.tolist() == [0] * 5
    assert data.size == (128, 64)
    assert data.images.shape == (5, 3, 128, 64)
    levels = data.images.float().mean(dim=(1, 2, 3))
    torch.testing.assert_close(levels, 40.0 * torch.arange(5), atol=3, rtol=0)
    assert data.pairs.tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]
    # Taken whole where it has the size, else where people of pedestrian photos stand.
    torch.testing.assert_close(data.poses.joints[1], table.pose.joints[1], atol=0.01, rtol=0)
    for row in (0, 2, 3, 4):
        rows = data.poses.joints[row, :, 1]
        assert 5 < rows.min() < 20
        assert 95 < rows.max() < 120
    assert Folder(root, size=(64, 32)).images.shape == (5, 3, 64, 32)


def test_a_file_name_alone_is_enough_where_one_person_has_it(root, table):
    names = ["beach.jpg", "city.png", "unknown.jpg", "park.JPG", "alone.jpg"]
    write_annotation_csv(root / "annotation.csv", Annotations(names[1:], table.pose[1:]))
    assert Folder(root).names == ["ann/city.png", "bob/park.JPG", "cleo/alone.jpg"]
    write_annotation_csv(root / "annotation.csv", Annotations(names, table.pose))
    with pytest.raises(InputError, match=r"'beach.jpg', which several people have; .*'ann/beach"):
        Folder(root)


def test_of_several_people_in_a_photo_the_largest_counts(root, table):
    # A COCO file: the one format here that has several people in a photo.
    (root / "annotation.csv").unlink()
    rows = OPENPOSE18.indices(JOINTS)
    found = table.pose.joints[1, rows]
    people = [
        {"image_id": 5, "keypoints": [v for x, y in (found * scale).tolist() for v in (x, y, 2)]}
        for scale in (0.25, 1.0, 0.5)
    ]
    content = {
        "images": [{"id": 5, "file_name": "ann/city.png", "height": 128, "width": 64}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(JOINTS)}],
        "annotations": [{"id": n, "category_id": 1, **who} for n, who in enumerate(people)],
    }
    (root / "annotation.json").write_text(json.dumps(content))
    data = Folder(root)
    assert data.names == ["ann/city.png"]
    torch.testing.assert_close(data.poses.joints[0, rows], found, atol=0.01, rtol=0)


def test_a_split_file_tells_who_is_for_testing(root):
    with pytest.raises(InputError, match=r"no identity-split.json: no test set"):
        Folder(root, "test")
    split = {"train": ["ann"], "test": ["bob"]}
    (root / "identity-split.json").write_text(json.dumps(split))
    assert set(Folder(root).identities) == {"ann"}
    assert set(Folder(root, "test").identities) == {"bob"}
    assert set(Folder(root, "all").identities) == {"ann", "bob", "cleo"}


def test_what_is_missing_is_named(root, tmp_path):
    with pytest.raises(InputError, match="absent does not exist"):
        Folder(tmp_path / "absent")
    write_annotation_csv(
        root / "other.csv",
        Annotations(["x.jpg"], Pose(torch.zeros(1, 18, 2), torch.ones(1, 18) > 0)),
    )
    with pytest.raises(InputError, match=r"is listed in .*other.csv"):
        Folder(root, annotations=root / "other.csv")
    (root / "annotation.csv").unlink()
    with pytest.raises(InputError, match=r"has no pose file: annotation.csv or annotation.json"):
        Folder(root)
