"""What is tested on is found in what is added, under whatever name."""

import json
import shutil

import pytest
import torch
from PIL import Image

from deformgan.datasets import open_dataset
from deformgan.datasets.photo_set import PhotoSet
from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import write_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.reid.leaks import find_equal_poses, refuse_test_poses

TRAIN = [f"{who:04d}_c{camera}s1_000151_00.png" for who in (2, 7, 10) for camera in (1, 2)]
TEST = [f"{who:04d}_c{camera}s1_000151_00.png" for who in (1500, 1501) for camera in (1, 2)]


def write(folder, names, first=0):
    folder.mkdir(parents=True, exist_ok=True)
    for row, name in enumerate(names):
        Image.new("RGB", (64, 128), (3 * (first + row), 40, 90)).save(folder / name)


def write_folders(root, poses):
    write(root / "bounding_box_train", TRAIN)
    write(root / "bounding_box_test", TEST, first=20)
    for part, names, rows in (("train", TRAIN, range(6)), ("test", TEST, range(6, 10))):
        table = Annotations(names, poses[list(rows)], source="a test")
        write_annotation_csv(root / f"market-annotation-{part}.csv", table)


@pytest.fixture(params=["split file", "folders"])
def data(request, tmp_path, people):
    """A set whose test people are in a file, and one with the official folders."""
    root = tmp_path / "market"
    poses = people(len(TRAIN) + len(TEST), seed=5)
    if request.param == "split file":
        write(root / "bounding_box_train", TRAIN + TEST)
        write_annotation_csv(
            root / "market-annotation-train.csv", Annotations(TRAIN + TEST, poses, source="a test")
        )
        split = {"train": ["0002", "0007", "0010"], "test": ["1500", "1501"]}
        (root / "identity-split.json").write_text(json.dumps(split))
    else:
        write_folders(root, poses)
        write(root / "query", TEST[:1], first=20)
    return root


def pool(photos, names, poses, people=None):
    """Append poses to those of the photos, as --poses does."""
    return PhotoSet(
        names=[*photos.names, *names],
        identities=[*photos.identities, *(people or ["somebody"] * len(names))],
        cameras=torch.cat([photos.cameras, torch.zeros(len(names), dtype=torch.long)]),
        paths=[*photos.paths, *(photos.paths[0].parent / "absent" / name for name in names)],
        poses=Pose.cat([photos.poses, poses]),
        size=photos.size,
    )


def test_training_photos_pass(data):
    photos = open_dataset(data)
    assert len(photos) == 6
    refuse_test_poses(photos, photos, data)


def test_a_test_person_as_source_or_pose_is_refused(data):
    photos, tested = open_dataset(data), open_dataset(data, split="test")
    with pytest.raises(
        InputError, match=r"The source 150\d_c\ds1_000151_00.png shows 150\d, a test id"
    ):
        refuse_test_poses(tested, photos, data)
    with pytest.raises(
        InputError, match=r"The pose 150\d_c\ds1_000151_00.png shows 150\d, a test id"
    ):
        refuse_test_poses(photos, tested, data)


def test_a_planted_test_pose_is_found_by_its_joints_under_another_name(data, people):
    photos, tested = open_dataset(data), open_dataset(data, split="test")
    planted = Pose(tested.poses.joints[[2]] + 0.004, tested.poses.visible[[2]])
    poses = Pose.cat([people(3, seed=9), planted])
    given = pool(photos, ["a.png", "b.png", "c.png", "harmless.png"], poses)
    with pytest.raises(
        InputError, match=r"harmless.png has the same joints as 1501_c1s1_000151_00.png"
    ):
        refuse_test_poses(photos, given, data)
    refuse_test_poses(photos, pool(photos, ["a.png", "b.png", "c.png"], poses[[0, 1, 2]]), data)


def test_a_test_photos_name_is_refused_whoever_is_said_to_be_in_it(data, people):
    photos = open_dataset(data)
    given = pool(photos, [TEST[0]], people(1, seed=9))
    with pytest.raises(InputError, match="has the name of a test photo"):
        refuse_test_poses(photos, given, data)


def test_a_test_photo_under_a_training_name_is_found_by_its_bytes(data):
    folder = data / "bounding_box_test"
    folder = folder if folder.is_dir() else data / "bounding_box_train"
    shutil.copy(folder / TEST[0], data / "bounding_box_train" / TRAIN[3])
    photos = open_dataset(data)
    with pytest.raises(InputError, match=f"{TRAIN[3]} has the same bytes as {TEST[0]}"):
        refuse_test_poses(photos, photos, data)


def test_hand_drawn_boxes_show_training_people_too(data):
    write(data / "gt_bbox", ["0002_c1s1_000151_00.jpg", "1500_c1s1_000151_01.jpg"], first=40)
    photos = open_dataset(data)
    refuse_test_poses(photos, photos, data)
    box = data / "gt_bbox" / "1500_c1s1_000151_01.jpg"
    shutil.copy(box, data / "bounding_box_train" / TRAIN[3])
    with pytest.raises(InputError, match=f"{TRAIN[3]} has the same bytes as {box.name}"):
        refuse_test_poses(photos, photos, data)


def test_a_test_pose_is_found_whatever_sizes_the_photos_have(tmp_path, people):
    """The test photo is taken whole; the one that its pose was planted in is cut to the person."""
    poses = people(10, seed=5)
    poses.joints[2] = poses.joints[7]
    write_folders(tmp_path, poses)
    Image.new("RGB", (90, 150)).save(tmp_path / "bounding_box_train" / TRAIN[2])
    photos = open_dataset(tmp_path, size=(128, 64), fit="person")
    assert (photos.poses.joints[2] - poses.joints[7]).abs().max() > 1
    with pytest.raises(InputError, match=f"The pose {TRAIN[2]} has the same joints as {TEST[1]}"):
        refuse_test_poses(photos, photos, tmp_path)


def test_a_pose_table_in_pixels_of_the_images_is_compared_with_framed_test_poses(tmp_path, people):
    poses = people(10, seed=5)
    write_folders(tmp_path, poses)
    Image.new("RGB", (90, 150)).save(tmp_path / "bounding_box_test" / TEST[1])
    photos = open_dataset(tmp_path, size=(128, 64), fit="person")
    tested = open_dataset(tmp_path, split="test", size=(128, 64), fit="person")
    for planted in (tested.poses[[1]], poses[[7]]):
        with pytest.raises(InputError, match=f"harmless.png has the same joints as {TEST[1]}"):
            refuse_test_poses(photos, pool(photos, ["harmless.png"], planted), tmp_path)


def test_the_split_file_counts_beside_the_official_folders(data, people):
    split = {"train": ["0002", "0007"], "test": ["0010", "1500", "1501"]}
    (data / "identity-split.json").write_text(json.dumps(split))
    photos = open_dataset(data)
    refuse_test_poses(photos, photos, data)
    for who in ("0010", "1500"):
        given = pool(photos, ["harmless.png"], people(1, seed=9), [who])
        with pytest.raises(InputError, match=f"The pose harmless.png shows {who}"):
            refuse_test_poses(photos, given, data)


def test_a_table_of_test_poses_that_cannot_be_read_does_not_pass_for_none(data):
    photos = open_dataset(data)
    (data / "market-annotation-test.csv").write_text("name:keypoints_y:keypoints_x\nbroken\n")
    with pytest.raises(InputError, match=r"market-annotation-test.csv, line 2"):
        refuse_test_poses(photos, photos, data)


def test_a_set_without_a_test_side_has_nothing_to_leak(tmp_path, people):
    write(tmp_path / "bounding_box_train", TRAIN)
    table = Annotations(TRAIN, people(6), source="a test")
    write_annotation_csv(tmp_path / "market-annotation-train.csv", table)
    photos = open_dataset(tmp_path)
    refuse_test_poses(photos, photos, tmp_path)


def test_equal_poses_are_those_of_slow_loops(people):
    one, other = people(40, seed=1, hidden=0.1), people(50, seed=2, hidden=0.1)
    assert find_equal_poses(one, other) is None
    random = torch.Generator().manual_seed(0)
    for _ in range(20):
        a, b = (int(torch.randint(n, (1,), generator=random)) for n in (40, 50))
        if not one.visible[a, [2, 5, 8, 11]].all():
            continue
        joints, visible = other.joints.clone(), other.visible.clone()
        joints[b] = one.joints[a] + 0.009 * (2 * torch.rand(18, 2, generator=random) - 1)
        joints[b][~one.visible[a]] = 77.0  # where a missing joint is said to be does not matter
        visible[b] = one.visible[a]
        assert find_equal_poses(one, Pose(joints, visible)) == (a, b)
        visible[b, 14] = ~visible[b, 14]
        assert find_equal_poses(one, Pose(joints, visible)) is None
        visible[b, 14] = ~visible[b, 14]
        joints[b, 2, 0] += 0.1
        assert find_equal_poses(one, Pose(joints, visible)) is None


def test_poses_without_a_torso_are_never_asked_for_and_may_coincide(people):
    nothing = Pose(torch.zeros(2, 18, 2), torch.zeros(2, 18, dtype=torch.bool))
    assert find_equal_poses(nothing, nothing) is None


@pytest.mark.slow
def test_the_real_training_people_share_no_pose_with_the_test_people(market1501):
    photos = open_dataset(market1501)
    refuse_test_poses(photos, photos, market1501)
    tested = open_dataset(market1501, split="test")
    usable = tested.usable.nonzero()[:1, 0]
    with pytest.raises(InputError, match=r"planted\.jpg has the same joints as"):
        refuse_test_poses(photos, pool(photos, ["planted.jpg"], tested.poses[usable]), market1501)
