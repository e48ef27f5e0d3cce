"""DeepFashion's names, and the way from 256x256 to 128x64."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets.deepfashion import (
    EDITIONS,
    DeepFashion,
    EditionCounts,
    flat_name,
    identity_of,
    photo_key,
    poses_128x64,
)
from deformgan.datasets.pairs import build_pairs, read_pairs
from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats import Annotations, read_annotation_csv, write_annotation_csv


def test_flat_names_are_the_authors(golden):
    names = json.loads((golden / "tables" / "deepfashion_names.json").read_text())
    assert names
    for path, name in names.items():
        assert flat_name(path) == name


def test_the_folders_before_the_gender_do_not_matter():
    flat = "fasionMENJacketsVestsid0000404301_4full.jpg"
    for before in ("", "img/", "data/In-shop_Clothes/"):
        assert flat_name(f"{before}MEN/Jackets_Vests/id_00004043/01_4_full.jpg") == flat


@pytest.mark.parametrize("path", ["", "a.jpg", "MEN/Denim/id_1/noview.jpg", "id_1/01_4_full.jpg"])
def test_another_path_is_refused(path):
    with pytest.raises(InputError, match="is not a DeepFashion path"):
        flat_name(path)


SPELLINGS = [
    "fasionMENJacketsVestsid0000404301_4full.jpg",
    "fashionMENJackets_Vestsid0000404301_4full.png",
    "MENJacketsVestsid0000404301_4full.jpg",
    "img/MEN/Jackets_Vests/id_00004043/01_4_full.jpg",
]


@pytest.mark.parametrize("name", SPELLINGS)
def test_all_spellings_name_one_image_of_one_garment(name):
    assert photo_key(name) == "MENJacketsVestsid00004043014full"
    assert identity_of(name) == "MENJacketsVestsid0000404301"


def test_what_has_no_view_is_refused():
    with pytest.raises(InputError, match="is not a DeepFashion name"):
        identity_of("a.jpg")


def test_the_names_of_published_pairs_agree_with_the_identities(shared):
    rows = (shared / "deepfashion-pairs" / "pairs.csv").read_text().split()[1:]
    assert len(rows) == 100
    for source, target in (row.split(",") for row in rows):
        assert identity_of(source) == identity_of(target)


def test_truncated_poses_are_the_authors(golden):
    large = read_annotation_csv(golden / "tables" / "annotation_256.csv")
    small = read_annotation_csv(golden / "tables" / "annotation_128x64_from_256.csv")
    pose = poses_128x64(large.pose, truncate=True)
    assert large.names == small.names
    assert torch.equal(pose.visible, small.pose.visible)
    assert torch.equal(pose.joints[pose.visible], small.pose.joints[pose.visible])


def test_a_joint_that_truncates_to_minus_one_is_lost_only_by_the_authors_rule():
    # x: (37 - 40) * 64 / 176 = -1.09; 39 gives -0.36 and so 0.
    joints = torch.tensor([[[37.0, 50.0], [39.0, 50.0], [30.0, 50.0]]])
    pose = Pose(joints, torch.ones(1, 3, dtype=torch.bool))
    truncated = poses_128x64(pose, truncate=True)
    assert truncated.visible.tolist() == [[False, True, True]]
    assert truncated.joints[0, 1:].tolist() == [[0, 25], [-3, 25]]
    assert poses_128x64(pose).visible.all()


# Two garments in two views each, and a third in one; every name as another list would write it.
TRAIN = [
    "fasionWOMENDressesid0000000101_1front.jpg",
    "fasionWOMENDressesid0000000101_3back.jpg",
    "fasionMENTeesTanksid0000000202_4full.jpg",
    "fasionMENTeesTanksid0000000202_7additional.jpg",
]
TEST = ["fasionWOMENDressesid0000000301_1front.jpg", "fasionWOMENDressesid0000000301_2side.jpg"]
PATHS = {
    TRAIN[0]: "WOMEN/Dresses/id_00000001/01_1_front.jpg",
    TRAIN[1]: "flat/fashionWOMENDressesid0000000101_3back.png",
    TRAIN[2]: "MEN/Tees_Tanks/id_00000002/02_4_full.jpg",
    TRAIN[3]: "flat/fashionMENTees_Tanksid0000000202_7additional.jpg",
    TEST[0]: "WOMEN/Dresses/id_00000003/01_1_front.jpg",
    TEST[1]: "flat/fasionWOMENDressesid0000000301_2side.jpg",
}


def spot(size, center):
    """A picture with one bright spot."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    distance = (columns - center[0]) ** 2 + (rows - center[1]) ** 2
    return (np.exp(-distance / 72)[..., None] * [255, 255, 255]).astype(np.uint8)


def write_tables(folder, people, train=TRAIN, test=TEST):
    folder.mkdir(exist_ok=True)
    for part, names in (("train", train), ("test", test)):
        pose = people(len(names), (256, 256))
        write_annotation_csv(folder / f"fasion-annotation-{part}.csv", Annotations(names, pose))


@pytest.fixture
def root(tmp_path, people):
    for number, path in enumerate(PATHS.values()):
        file = tmp_path / "img" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((256, 256, 3), 30 * number, dtype=np.uint8)).save(file)
    write_tables(tmp_path, people)
    return tmp_path


def test_images_are_found_by_any_spelling_and_paired_by_garment(root):
    train, test = DeepFashion(root), DeepFashion(root, "test")
    assert train.names == TRAIN
    assert train.identities[2] == "MENTeesTanksid0000000202"
    assert train.cameras.tolist() == [1, 3, 4, 7]
    assert train.images.shape == (4, 3, 256, 256)
    torch.testing.assert_close(
        train.images.float().mean(dim=(1, 2, 3)), torch.tensor([0.0, 30, 60, 90]), atol=1, rtol=0
    )
    assert build_pairs(train) == [
        *[(TRAIN[0], TRAIN[1]), (TRAIN[1], TRAIN[0])],
        *[(TRAIN[2], TRAIN[3]), (TRAIN[3], TRAIN[2])],
    ]
    assert test.names == TEST
    assert DeepFashion(root, "all").names == TRAIN + TEST
    assert train.edition is None


def test_a_garment_in_both_tables_is_refused_however_it_is_spelled(root, people):
    write_tables(root, people, test=["fashionMENTees_Tanksid0000000202_1front.png"])
    with pytest.raises(InputError, match="MENTeesTanksid0000000202 in both train and test"):
        DeepFashion(root)


def test_the_old_and_the_new_split_lie_side_by_side(root, people):
    for part in ("train", "test"):
        (root / f"fasion-annotation-{part}.csv").unlink()
    write_tables(root / "old", people)
    assert DeepFashion(root, "test").names == TEST
    write_tables(root / "new", people, train=TEST, test=TRAIN)
    with pytest.raises(InputError, match="choose an edition"):
        DeepFashion(root, "test")
    assert DeepFashion(root, "test", edition="old").names == TEST
    assert DeepFashion(root, "test", edition="new").names == TRAIN


def test_the_test_table_tells_which_split_it_is(root, monkeypatch):
    counts = EditionCounts(images=2, usable=2, garments=1, pairs=2)
    monkeypatch.setitem(EDITIONS, "old", counts)
    assert DeepFashion(root).edition == "old"
    with pytest.raises(InputError, match="2 lines: it belongs to the old split, not the new one"):
        DeepFashion(root, edition="new")


@pytest.mark.parametrize(
    ("size", "fit"), [((300, 200), "pad"), ((256, 176), "pad"), ((512, 400), "stretch")]
)
@pytest.mark.parametrize("joints_in", ["frame", "file"])
@pytest.mark.parametrize("out", [(256, 256), (128, 64)])
def test_files_of_another_size_and_their_float_joints_come_to_the_frame(
    root, size, fit, joints_in, out
):
    """A spot in the file is where its joint is said to be, in either way of saying it."""
    center = (0.55 * size[1] + 0.3, 0.4 * size[0])
    for path in PATHS.values():
        Image.fromarray(spot(size, center)).save(root / "img" / path)
    if fit == "pad":  # in the middle of the columns, all rows
        scale = 256 / size[0]
        framed = ((center[0] + 0.5 - size[1] / 2) * scale + 127.5, (center[1] + 0.5) * scale - 0.5)
    else:
        framed = tuple((c + 0.5) * 256 / n - 0.5 for c, n in zip(center, size[::-1], strict=True))
    joints = torch.tensor(framed if joints_in == "frame" else center).expand(4, 18, 2)
    pose = Pose(joints.contiguous(), torch.ones(4, 18, dtype=torch.bool))
    write_annotation_csv(root / "table.csv", Annotations(TRAIN, pose))
    data = DeepFashion(root, annotations=root / "table.csv", size=out, fit=fit, joints_in=joints_in)
    image = data.images[0, 0].double()
    assert tuple(image.shape) == out
    rows, columns = torch.arange(out[0]), torch.arange(out[1])
    found = [
        (image.sum(0) * columns).sum() / image.sum(),
        (image.sum(1) * rows).sum() / image.sum(),
    ]
    torch.testing.assert_close(
        torch.stack(found).float(), data.poses.joints[0, 0], atol=0.06, rtol=0
    )
    if out == (256, 256):
        torch.testing.assert_close(data.poses.joints[0, 0], torch.tensor(framed), atol=0.02, rtol=0)


def test_what_does_not_fit_is_refused(root, tmp_path):
    with pytest.raises(InputError, match=r"\(256, 256\) or \(128, 64\)"):
        DeepFashion(root, size=(64, 64))
    with pytest.raises(InputError, match="joints_in='file'"):
        DeepFashion(root, fit="person")
    with pytest.raises(InputError, match="absent does not exist"):
        DeepFashion(tmp_path / "absent")
    (root / "fasion-annotation-test.csv").unlink()
    with pytest.raises(InputError, match="no annotation table for the split 'test'"):
        DeepFashion(root, "test")
    (root / "fasion-annotation-train.csv").unlink()
    with pytest.raises(InputError, match=r"has no annotation table: fasion-annotation-train.csv"):
        DeepFashion(root)
    write_annotation_csv(
        root / "annotation.csv",
        Annotations(
            ["fasionMENDenimid0000000901_1front.jpg"],
            Pose(torch.zeros(1, 18, 2), torch.ones(1, 18) > 0),
        ),
    )
    with pytest.raises(InputError, match=r"No image below .* is listed in"):
        DeepFashion(root)


@pytest.fixture(scope="module")
def real(shared):
    return DeepFashion(shared / "deepfashion-pairs", "test")


def test_the_pairs_at_hand_are_pairs_of_the_rule(real, shared):
    listed = read_pairs(shared / "deepfashion-pairs" / "pairs.csv")
    assert len(real) == 189
    assert real.images.shape == (189, 3, 256, 256)
    assert real.usable.all()
    assert set(listed) <= set(build_pairs(real))


def test_the_small_variant_shows_the_middle_of_real_images(real, shared):
    small = DeepFashion(shared / "deepfashion-pairs", size=(128, 64))
    rows = [0, 50, 188]
    # Against the mean of the four pixels (rows) and the neighbours (columns) that each covers.
    middle = real.images[rows][..., 40:216].float()
    expected = torch.nn.functional.interpolate(middle, (128, 64), mode="area")
    assert (small.images[rows].float() - expected).abs().mean() < 4
    assert torch.equal(small.poses.visible, real.poses.visible)
    torch.testing.assert_close(small.poses.joints, poses_128x64(real.poses).joints)
