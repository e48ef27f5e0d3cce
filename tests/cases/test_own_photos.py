"""Own photos: a folder per person, and poses of a photo that EXIF data turn."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets.bundled_people import FOLDER
from deformgan.datasets.folder import Folder
from deformgan.datasets.pairs import read_pairs
from deformgan.errors import InputError
from deformgan.inputs import read_source
from deformgan.photos import Photos
from deformgan.pose import Pose
from deformgan.pose_formats.stated_size import match_photo, turn_pose


@pytest.mark.slow
def test_03_one_command_makes_the_table_of_a_folder_per_person(case, run, tmp_path):
    own = tmp_path / "own"
    for photo in (case("03-own-folders-same-names") / "own").rglob("*.jpg"):
        (own / photo.parent.name).mkdir(parents=True, exist_ok=True)
        (own / photo.parent.name / photo.name).write_bytes(photo.read_bytes())
    assert run("pose", own, "--out", own / "annotation.csv")[0] == 0
    lines = (own / "annotation.csv").read_text().splitlines()[1:]
    assert [line.partition(":")[0] for line in lines] == [
        f"{who}/IMG_000{number}.jpg" for who in ("ann", "bob") for number in (1, 2, 3)
    ]
    code, printed, _ = run("data", "check", own)
    assert code == 0, printed
    assert run("data", "pairs", own, "--out", tmp_path / "p.csv")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("people", "photos"),
    [
        (("ann", "bob"), ("IMG_0001.jpg", "IMG_0002.jpg")),
        (("Ann Lee", "zoë"), ("1.jpg", "2.jpg")),
        (("a,b", "c'd"), ("front view.JPG", "back.jpg")),
        (("001", "002", "003"), ("a.jpg", "a.b.jpg")),
        (("x__y", "x"), ("2024-01-01 10.00.jpg", "b.jpg")),
        (("ann",), ("1.png", "2.png", "3.png")),
    ],
)
def test_03_folders_of_any_names(run, tmp_path, people, photos):
    own = tmp_path / "own"
    shown = iter(sorted((FOLDER / "bounding_box_train").iterdir()))
    for who in people:
        (own / who).mkdir(parents=True)
        for name in photos:
            with Image.open(next(shown)) as photo:
                photo.save(own / who / name)
    assert run("pose", own, "--out", own / "annotation.csv")[0] == 0
    found = Folder(own)
    assert sorted(found.names) == sorted(f"{who}/{name}" for who in people for name in photos)
    assert sorted(set(found.identities)) == sorted(people)
    report = tmp_path / "check.json"
    _, printed, _ = run("data", "check", own, "--json", report)
    assert json.loads(report.read_text())["numbers"]["error"] == 0, printed
    table = tmp_path / "p.csv"
    assert run("data", "pairs", own, "--out", table)[0] == 0
    pairs = read_pairs(table)
    assert len(pairs) <= len(people) * len(photos) * (len(photos) - 1)
    assert all(source.split("/")[0] == target.split("/")[0] for source, target in pairs)


def test_names_of_nested_photos_are_their_paths(tmp_path):
    for name in ("b/2.png", "b/10.png", "a/2.png", "a/x/1.png", ".git/1.png", "a/._2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 8)).save(tmp_path / name)
    assert Photos(tmp_path).names == ["a/2.png", "a/x/1.png", "b/2.png", "b/10.png"]
    assert [photo.name for photo in Photos(tmp_path)] == Photos(tmp_path).names
    Image.new("RGB", (4, 8)).save(tmp_path / "top.png")
    assert Photos(tmp_path).names == ["top.png"]
    assert Photos(tmp_path / "b").names == ["2.png", "10.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="contains no photos"):
        Photos(tmp_path / "empty")


def test_07_joints_of_the_stored_pixels_are_turned(case):
    folder = case("07-exif-raw-joints")
    raw, upright = (
        read_source(folder / "exif6.jpg", folder / f"{name}.json").pose
        for name in ("raw", "upright")
    )
    assert torch.equal(raw.visible, upright.visible)
    torch.testing.assert_close(raw.joints, upright.joints, atol=1.0, rtol=0)


def test_07_the_doctor_names_the_size_before_the_turn(case, run, tmp_path):
    report = tmp_path / "check.json"
    run("data", "check", case("07-exif-raw-joints") / "set", "--json", report)
    found = report.read_text()
    assert "size-before-turn" in found
    assert "swapped-axes" not in found
    assert "joints-outside" not in found


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
def test_a_pose_is_turned_like_its_photo(tmp_path, turn):
    stored = np.zeros((6, 10, 3), np.uint8)
    stored[1, 7] = 255
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    pose = Pose(torch.tensor([[[7.0, 1.0], [0.0, 0.0]]]), torch.tensor([[True, False]]))
    turned = match_photo(pose, (6, 10), tmp_path / "a.png", "p.json")
    assert torch.equal(turned.joints, turn_pose(pose, (6, 10), turn).joints)
    from deformgan.photo_file import read_photo

    (row, column), *_ = np.argwhere(read_photo(tmp_path / "a.png")[..., 0])
    assert turned.joints[0].tolist() == [[column, row], [0, 0]]
    same = match_photo(pose, (10, 6), tmp_path / "a.png", "p.json")
    assert torch.equal(same.joints, pose.joints)


@pytest.mark.parametrize("stated", [(12, 20), (10, 6), (600, 1000), (1, 1)])
def test_another_size_in_the_pose_file_is_refused(tmp_path, stated):
    (tmp_path / "ann").mkdir()
    Image.new("RGB", (10, 6)).save(tmp_path / "ann" / "a.png")  # without EXIF
    poses = {"ann/a.png": {"nose": [3, 4], "neck": [3, 2]}}
    content = {"skeleton": "openpose18", "size": list(stated), "poses": poses}
    (tmp_path / "annotation.json").write_text(json.dumps(content))
    for read in (
        lambda: read_source(tmp_path / "ann" / "a.png", tmp_path / "annotation.json"),
        lambda: Folder(tmp_path),
    ):
        with pytest.raises(InputError, match=rf"of a photo of {stated[1]}x{stated[0]} pixels"):
            read()
