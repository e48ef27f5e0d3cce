"""Which identity a generated photo is filed under, and what it is called."""

import re

import pytest

from deformgan.datasets.market_name import MarketName
from deformgan.errors import InputError
from deformgan.reid.labels import Labels, identities_in, is_generated

# How torchreid and fast-reid read a name of Market-1501.
USUAL = re.compile(r"([-\d]+)_c(\d)")

MARKET = ["0002_c1s1_000451_03.jpg", "0002_c1s1_000551_01.jpg", "0007_c3s3_077419_03.jpg"]
DUKE = ["0001_c2_f0046182.jpg", "0005_c5_f0051981.jpg"]
MSMT = ["0003_c15s2_000451_03.jpg", "0004_c7s1_000001_01.jpg"]
WIDE = ["100002_c1s1_000451_03.jpg", "000007_c2s1_000001_01.jpg"]


def test_the_authors_name_of_a_generated_photo():
    labels = Labels.assign("same", MARKET)
    assert labels.name(MARKET[0], 1) == "0002_c1s1_000451_03g1.jpg"
    assert labels.name(MARKET[0], 12) == "0002_c1s1_000451_03g12.jpg"


@pytest.mark.parametrize("rule", ["same", "new", "soft"])
@pytest.mark.parametrize("names", [MARKET, DUKE, MSMT, WIDE])
def test_every_reader_finds_identity_and_camera_in_a_generated_name(rule, names):
    labels = Labels.assign(rule, names)
    for name in names:
        source = MarketName.parse(name)
        made = labels.name(name, 3)
        read = MarketName.parse(made)
        assert (read.identity, read.camera) == (labels.identity(name), source.camera)
        assert (read.sequence, read.frame, read.box) == (source.sequence, source.frame, source.box)
        match = USUAL.search(made)
        assert match is not None
        who, camera = match.groups()
        assert int(who) == int(read.identity)
        assert camera == str(source.camera)[0]
        assert is_generated(made)
        assert not is_generated(name)


def test_same_and_soft_keep_the_identity_of_the_source():
    for rule in ("same", "soft"):
        labels = Labels.assign(rule, MARKET, taken=["1501"])
        assert [labels.identity(name) for name in MARKET] == ["0002", "0002", "0007"]


def test_new_gives_everybody_one_number_that_nobody_has():
    labels = Labels.assign("new", MARKET, taken=["1501", "0000", "-1"])
    assert [labels.identity(name) for name in MARKET] == ["1502", "1502", "1503"]
    assert labels.name(MARKET[2], 1) == "1503_c3s3_077419_03g1.jpg"


@pytest.mark.parametrize(
    ("names", "taken", "expected"),
    [
        (["0002_c1_1.jpg"], ["9999"], "10000"),
        (["00002_c1_1.jpg"], [], "00003"),
        (["7_c1_1.jpg"], [], "8"),
        (["0002_c1_1.jpg"], ["123456"], "123457"),
    ],
)
def test_new_numbers_are_as_wide_as_the_widest_or_wider(names, taken, expected):
    assert Labels.assign("new", names, taken).identity(names[0]) == expected


def test_new_numbers_depend_on_people_and_not_on_the_order_of_photos():
    assert Labels.assign("new", MARKET) == Labels.assign("new", MARKET[::-1])


@pytest.mark.parametrize("rule", ["same", "new", "soft"])
def test_names_of_all_photos_differ_from_each_other_and_from_the_originals(rule):
    names = [
        f"{who:04d}_c{camera}s1_{frame:06d}_0{box}.jpg"
        for who in (2, 7)
        for camera in (1, 2)
        for frame in (1, 11)
        for box in (1, 2)
    ]
    labels = Labels.assign(rule, names)
    made = [labels.name(name, number) for name in names for number in range(1, 13)]
    assert len({*made, *names}) == len(made) + len(names)


def test_two_sources_that_would_share_a_generated_name_are_refused():
    with pytest.raises(InputError, match="'0002_c1s1_000451_03' except for their suffix"):
        Labels.assign("same", ["0002_c1s1_000451_03.jpg", "0002_c1s1_000451_03.png"])


def test_a_data_set_with_generated_photos_is_refused():
    with pytest.raises(InputError, match="pass a data set without generated photos"):
        Labels.assign("same", [*MARKET, "0002_c1s1_000451_03g1.jpg"])


def test_a_name_that_no_reader_of_market_parses_is_refused():
    with pytest.raises(InputError, match="not a Market-1501 file name"):
        Labels.assign("same", ["ann/beach.jpg"])


def test_everybody_in_a_data_set_is_found_in_all_of_its_folders(tmp_path):
    for name in (
        "bounding_box_train/0002_c1s1_000451_03.jpg",
        "bounding_box_test/-1_c1s1_000009_01.jpg",
        "bounding_box_test/1501_c6s4_1_1.jpg",
        "query/0003_c1_1.jpg",
        "gt_bbox/0004_c1_1.jpg",
        "0005_c1_1.jpg",
        "query/Thumbs.db",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert identities_in(tmp_path) == {"-1", "0002", "0003", "0004", "0005", "1501"}
