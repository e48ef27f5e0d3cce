"""The reader of Market-1501's layout; no test identity ever trains."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.market_name import MarketName
from deformgan.datasets.pairs import sample_test_pairs
from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats import Annotations, read_annotation_csv, write_annotation_csv

NAMES = [
    "0007_c1s1_000001_01.png",
    "0002_c2s1_000002_01.png",
    "-1_c1s1_000003_01.png",
    "0007_c3s1_000004_01.png",
    "0000_c1s1_000005_01.png",
    "0002_c10s2_000006_02.png",
    "0009_c1s1_000007_01.png",
]
TEST_NAMES = ["0011_c1s1_000008_01.png", "-1_c1s1_000009_01.png", "0000_c1s1_000010_01.png"]


def color(name):
    """The one color of a test image."""
    return [(37 * (NAMES + TEST_NAMES).index(name) + channel) % 256 for channel in (0, 80, 160)]


def write_images(folder, names=NAMES, size=(16, 8)):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.full((*size, 3), color(name), dtype=np.uint8)).save(folder / name)


def write_table(path, names=NAMES, unusable=()):
    joints = torch.arange(len(names) * 36, dtype=torch.float32).reshape(-1, 18, 2)
    visible = torch.ones(len(names), 18, dtype=torch.bool)
    for name in unusable:
        visible[names.index(name), 2] = False
    write_annotation_csv(path, Annotations(list(names), Pose(joints, visible)))


@pytest.fixture
def flat(tmp_path):
    write_images(tmp_path)
    write_table(tmp_path / "annotation.csv", unusable=["0002_c10s2_000006_02.png"])
    return tmp_path


@pytest.fixture
def official(tmp_path):
    write_images(tmp_path / "bounding_box_train")
    write_images(tmp_path / "bounding_box_test", TEST_NAMES)
    write_table(tmp_path / "market-annotation-train.csv")
    write_table(tmp_path / "market-annotation-test.csv", TEST_NAMES)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("0002_c1s1_000451_03.jpg", ("0002", 1, 1, 451, 3)),
        ("-1_c6s3_083367_00.jpg", ("-1", 6, 3, 83367, 0)),
        ("0000_c2s2_028025_01.jpg.jpg", ("0000", 2, 2, 28025, 1)),
        ("1501_c15s12_0028025_10g4.PNG", ("1501", 15, 12, 28025, 10)),
        ("0001_c2_f0046182.jpg", ("0001", 2, 1, 46182, 0)),
        ("0003_c1_21.png", ("0003", 1, 1, 21, 0)),
        ("0003_c10_0021_2.jpg", ("0003", 10, 1, 21, 2)),
    ],
)
def test_a_name_says_who_where_and_when(name, fields):
    assert MarketName.parse(name) == MarketName(*fields)


@pytest.mark.parametrize("name", ["Thumbs.db", "0002_c1s1_03.jpg", "a_c1s1_000451_03.jpg", "0002"])
def test_another_name_is_refused(name):
    with pytest.raises(InputError, match="is not a Market-1501 file name"):
        MarketName.parse(name)


def test_images_poses_and_names_stay_together(flat):
    data = Market1501(flat)
    assert data.names == [name for name in NAMES if not name.startswith(("-1", "0000"))]
    assert data.identities == ["0007", "0002", "0007", "0002", "0009"]
    assert data.cameras.tolist() == [1, 2, 3, 10, 1]
    assert data.images.dtype == torch.uint8
    assert data.images.shape == (5, 3, 16, 8)
    assert data.size == (16, 8)
    assert len(data) == 5
    for row, name in enumerate(data.names):
        assert data.images[row, :, 3, 5].tolist() == color(name)
        if row != 3:
            assert data.poses.joints[row, 0].tolist() == [
                36 * NAMES.index(name),
                36 * NAMES.index(name) + 1,
            ]


def test_pairs_are_of_usable_images_of_one_person(flat):
    data = Market1501(flat)
    assert data.usable.tolist() == [True, True, True, False, True]
    assert data.pairs.tolist() == [[0, 2], [2, 0]]


def test_the_official_folders_are_the_split(official):
    assert Market1501(official, "train").identities == ["0007", "0002", "0007", "0002", "0009"]
    assert Market1501(official, "test").names == TEST_NAMES[:1]
    assert Market1501(official, "all").names == Market1501(official, "train").names


def test_a_split_file_parts_the_training_folder(official):
    split = {"train": ["0007"], "test": ["0002"]}
    (official / "identity-split.json").write_text(json.dumps(split))
    assert set(Market1501(official, "train").identities) == {"0007"}
    assert set(Market1501(official, "test").identities) == {"0002"}
    assert len(Market1501(official, "test")) == 2
    assert set(Market1501(official, "all").identities) == {"0007", "0002", "0009"}


def test_another_annotation_table_may_be_given(flat):
    write_table(flat / "other.csv", NAMES[3:4])
    assert Market1501(flat, annotations=flat / "other.csv").names == NAMES[3:4]


def test_only_images_that_are_there_are_read_and_the_table_gives_the_order(flat):
    (flat / NAMES[1]).unlink()
    write_table(flat / "annotation.csv", NAMES[::-1])
    assert Market1501(flat).names == [NAMES[6], NAMES[5], NAMES[3], NAMES[0]]


@pytest.mark.parametrize(
    "split",
    ["[]", "{", '{"train": ["0002"]}', '{"train": 1, "test": 2}'],
)
def test_a_malformed_split_file_is_refused(official, split):
    (official / "identity-split.json").write_text(split)
    with pytest.raises(InputError, match="is not a split like"):
        Market1501(official)


def test_an_identity_on_both_sides_of_the_split_is_refused(official):
    split = {"train": ["0007", "0002"], "test": ["0002"]}
    (official / "identity-split.json").write_text(json.dumps(split))
    with pytest.raises(InputError, match="has 0002 in both train and test"):
        Market1501(official)


def test_an_identity_in_both_folders_is_refused_but_nobody_is(official):
    assert len(Market1501(official)) == 5
    write_images(official / "bounding_box_test", NAMES[5:6])
    for split in ("train", "test"):
        with pytest.raises(InputError, match="has 0002 in both train and test"):
            Market1501(official, split)


def test_the_number_0000_may_be_somebody(flat):
    assert "0000" in Market1501(flat, nobody=["-1"]).identities


def test_images_of_several_sizes_come_to_one_with_their_joints(flat):
    write_images(flat, NAMES[3:4], size=(32, 8))
    plain = read_annotation_csv(flat / "annotation.csv")[NAMES[3]]
    data = Market1501(flat, size=(16, 8), fit="stretch")
    row = data.names.index(NAMES[3])
    assert data.size == (16, 8)
    assert data.images[row, :, 3, 5].tolist() == color(NAMES[3])
    # Half as many rows, as many columns.
    expected = (plain.joints[0] + 0.5) * torch.tensor([1.0, 0.5]) - 0.5
    torch.testing.assert_close(data.poses.joints[row], expected)
    # The others already had the size.
    assert data.poses.joints[0, 0].tolist() == [0, 1]


def test_what_is_missing_is_named(flat, tmp_path):
    with pytest.raises(InputError, match="absent does not exist"):
        Market1501(tmp_path / "absent")
    with pytest.raises(InputError, match="no test set"):
        Market1501(flat, "test")
    write_table(flat / "annotation.csv", ["0001_c1s1_000001_01.png"])
    with pytest.raises(InputError, match=r"No image in .* belongs to the split 'train'"):
        Market1501(flat)
    (flat / "annotation.csv").unlink()
    with pytest.raises(InputError, match=r"market-annotation-train.csv or annotation.csv"):
        Market1501(flat)


def test_an_image_of_another_size_or_no_image_is_refused_by_name(flat):
    write_images(flat, NAMES[3:4], size=(16, 9))
    with pytest.raises(InputError, match=rf"{NAMES[3]} is 16x9 pixels .* 16x8"):
        _ = Market1501(flat).images
    (flat / NAMES[3]).write_text("no image")
    with pytest.raises(InputError, match=rf"{NAMES[3]} cannot be read"):
        _ = Market1501(flat).images


def test_grey_images_are_read_as_rgb(flat):
    Image.fromarray(np.full((16, 8), 77, dtype=np.uint8)).save(flat / NAMES[0])
    assert Market1501(flat).images[0].unique().tolist() == [77]


@pytest.fixture(scope="module")
def real(market1501):
    """The real data by split; without their pixels until asked for."""
    return {split: Market1501(market1501, split) for split in ("train", "test", "all")}


def test_no_test_identity_of_the_real_data_trains(real, market1501):
    split = json.loads((market1501 / "identity-split.json").read_text())
    train, test = real["train"], real["test"]
    assert set(train.identities) == set(split["train"])
    assert set(test.identities) == set(split["test"])
    assert not set(train.identities) & set(split["test"])
    assert not set(train.names) & set(test.names)
    # Also by the names alone, without the parser.
    assert not {name[:4] for name in train.names} & set(split["test"])


def test_the_real_data_have_the_known_numbers(real):
    train, test, everybody = real["train"], real["test"], real["all"]
    assert (len(train), len(test), len(everybody)) == (9335, 1803, 11138)
    assert (int(train.usable.sum()), int(test.usable.sum())) == (8726, 1674)
    assert (len(train.pairs), len(test.pairs)) == (186_776, 37_632)
    assert len(everybody.pairs) == 186_776 + 37_632
    assert len(sample_test_pairs(test.pairs)) == 12_000


def test_every_real_pair_is_of_one_person_in_two_usable_images(real):
    test = real["test"]
    source, target = test.pairs.unbind(dim=1)
    who = torch.tensor([int(identity) for identity in test.identities])
    assert torch.equal(who[source], who[target])
    assert (source != target).all()
    assert test.usable[test.pairs].all()
    assert len(set(map(tuple, test.pairs.tolist()))) == len(test.pairs)
    # As many as the rule makes: n (n - 1) for n usable images of a person.
    counts = who[test.usable].bincount()
    assert len(test.pairs) == int((counts * (counts - 1)).sum())


def test_real_images_are_decoded_as_pillow_does(real, market1501):
    test = real["test"]
    assert test.images.shape == (1803, 3, 128, 64)
    for row in (0, 900, 1802):
        with Image.open(market1501 / "bounding_box_train" / test.names[row]) as file:
            expected = np.asarray(file)
        assert np.array_equal(test.images[row].permute(1, 2, 0).numpy(), expected)
