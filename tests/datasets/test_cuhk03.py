"""The reader of CUHK03's three layouts; no test identity ever trains."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.cli.main import main
from deformgan.datasets import open_dataset, recognize
from deformgan.datasets.cuhk03 import BOXES, CUHK03, CUHK03Name, find_layout, market_name
from deformgan.datasets.doctor import examine
from deformgan.datasets.market_name import MarketName
from deformgan.datasets.pairs import build_pairs, read_pairs
from deformgan.datasets.splits import NoTestSplitError
from deformgan.errors import InputError
from deformgan.pose_formats import Annotations, write_annotation_csv
from deformgan.reid.person_photos import query_and_gallery
from deformgan.reid.training_photos import training_people

PAIR_LIST = Path(__file__).resolve().parents[2] / "benchmarks" / "cuhk03_test_pairs.csv"

FIRST_PAIR = ["0000_00.jpg", "0000_04.jpg", "0000_05.jpg", "0001_00.jpg", "0001_09.jpg"]
TRAIN = ["0001_c1_1_0001.png", "0001_c2_6_0002.png", "0003_c1_1.png"]
QUERY = ["0002_c1_1_0001.png", "0002_c2_6_0002.png"]
TEST = ["0002_c1_2_0001.png", "0002_c1_3_0002.png", "0004_c2_8_0003.png"]
EXTRACTED = ["1_001_1_01.png", "1_001_2_06.png", "5_001_1_01.png", "5_001_2_07.png"]
SIZES = [(256, 96), (290, 100), (200, 90), (128, 64)]


def write_images(folder: Path, names: list[str], people, sizes=SIZES) -> Annotations:
    """Write photos of noise, of several sizes, and return poses in their pixels."""
    folder.mkdir(parents=True)
    joints = []
    for row, name in enumerate(names):
        height, width = sizes[row % len(sizes)]
        random = np.random.default_rng([row, *name.encode(), *folder.name.encode()])
        small = Image.fromarray(random.integers(0, 256, (8, 4, 3), dtype=np.uint8))
        small.resize((width, height)).save(folder / name)
        joints.append(people(1, (height, width), seed=row))
    return Annotations(names, type(joints[0]).cat(joints))


@pytest.fixture
def first_pair(tmp_path, people) -> Path:
    root = tmp_path / "first"
    table = write_images(root / "images", FIRST_PAIR, people, SIZES[:1])
    write_annotation_csv(root / "annotation.csv", table)
    split = {"train": ["0000"], "test": ["0001"]}
    (root / "identity-split.json").write_text(json.dumps(split))
    return root


@pytest.fixture
def new_protocol(tmp_path, people) -> Path:
    root = tmp_path / "cuhk03-np"
    for boxes in BOXES:
        parts = {"bounding_box_train": TRAIN, "query": QUERY, "bounding_box_test": TEST}
        tables = {
            part: write_images(root / boxes / part, names, people) for part, names in parts.items()
        }
        for part in ("train", "test"):
            table = tables[f"bounding_box_{part}"]
            write_annotation_csv(root / boxes / f"annotation-{part}.csv", table)
    return root


def torchreid_split(train: list[str], query: list[str], gallery: list[str]) -> str:
    """The form in which torchreid writes it: where images were, people numbered, cameras from 0."""
    folders = {"train": "/data/cuhk03/images_labeled/", "query": "C:\\images_labeled\\"}
    parts = {"train": train, "query": query, "gallery": gallery}
    split = {
        part: [
            [f"{folders.get(part, '')}{name}", row, int(name[6]) - 1]
            for row, name in enumerate(names)
        ]
        for part, names in parts.items()
    }
    return json.dumps([{**split, "num_train_pids": 1}, {"train": [], "query": [], "gallery": []}])


@pytest.fixture
def extracted(tmp_path, people) -> Path:
    root = tmp_path / "extracted"
    for boxes in BOXES:
        table = write_images(root / f"images_{boxes}", EXTRACTED, people)
        write_annotation_csv(root / f"annotation-{boxes}.csv", table)
    text = torchreid_split(EXTRACTED[:2], EXTRACTED[2:3], EXTRACTED[3:])
    (root / "splits_new_labeled.json").write_text(text)
    return root


@pytest.mark.parametrize(
    ("name", "identity", "camera"),
    [
        ("0000_00.jpg", "0000", 1),
        ("0842_04.jpg", "0842", 1),
        ("0842_05.jpg", "0842", 2),
        ("0000_09.png", "0000", 2),
        ("0001_c1_5_0001.png", "0001", 1),
        ("1467_c2_10.png", "1467", 2),
        ("1_001_1_01.png", "1_001", 1),
        ("5_049_2_10.png", "5_049", 2),
    ],
)
def test_a_name_says_who_and_by_which_camera(name, identity, camera):
    assert CUHK03Name.parse(name) == CUHK03Name(identity, camera)


@pytest.mark.parametrize(
    "name", ["0000_10.jpg", "0002_c1s1_000451_03.jpg", "6_001_1_01.png", "1_001_3_01.png", "a.jpg"]
)
def test_another_name_is_refused(name):
    with pytest.raises(InputError, match="is not a CUHK03 file name"):
        CUHK03Name.parse(name)


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        ("0007_03.jpg", "0007_c1s1_000003_00.jpg"),
        ("0842_05.png", "0842_c2s1_000005_00.png"),
        ("1_001_2_06.png", "1001_c2s1_000006_00.png"),
        ("5_0049_1_10.png", "50049_c1s1_000010_00.png"),
        ("0001_c1_5_0001.png", "0001_c1_5_0001.png"),
        ("-1_c1s1_000451_03.jpg", "-1_c1s1_000451_03.jpg"),
    ],
)
def test_a_name_in_market_s_style_says_the_same(name, renamed):
    assert market_name(name) == market_name(renamed) == renamed
    read = MarketName.parse(renamed)
    if not name.startswith("-1"):
        field = CUHK03Name.parse(name)
        assert (read.identity, read.camera) == (field.identity.replace("_", ""), field.camera)


def test_a_name_of_neither_set_has_none_in_market_s_style():
    with pytest.raises(InputError, match=r"'a\.jpg' is not a Market-1501 file name"):
        market_name("a.jpg")


def test_the_first_camera_pair_is_read_by_its_split(first_pair):
    train, test = CUHK03(first_pair), CUHK03(first_pair, "test")
    assert recognize(first_pair) == "cuhk03"
    assert train.names == FIRST_PAIR[:3]
    assert train.identities == ["0000"] * 3  # somebody here, nobody in Market-1501
    assert train.cameras.tolist() == [1, 1, 2]
    assert test.identities == ["0001"] * 2
    assert test.cameras.tolist() == [1, 2]
    assert CUHK03(first_pair, "all").names == FIRST_PAIR
    assert train.framings is None
    with Image.open(first_pair / "images" / FIRST_PAIR[2]) as photo:
        assert np.array_equal(train.images[2].permute(1, 2, 0).numpy(), np.asarray(photo))


def test_the_new_protocol_s_folders_are_the_split(new_protocol):
    assert recognize(new_protocol) == "cuhk03"
    for root in (new_protocol, new_protocol / "labeled", new_protocol / "detected"):
        assert CUHK03(root).names == TRAIN
        assert CUHK03(root, "test").names == TEST
        assert CUHK03(root, "test").identities == ["0002", "0002", "0004"]
        assert CUHK03(root, "test").cameras.tolist() == [1, 1, 2]
        assert CUHK03(root, "all").names == TRAIN
        assert isinstance(open_dataset(root), CUHK03)
    detected = CUHK03(new_protocol, boxes="detected")
    assert detected.paths[0].parent == new_protocol / "detected" / "bounding_box_train"
    assert CUHK03(new_protocol).paths[0].parent.parent == new_protocol / "labeled"


def test_reid_commands_read_either_half_of_the_new_protocol(new_protocol):
    for boxes in BOXES:
        query, gallery = query_and_gallery(new_protocol / boxes)
        assert query.names == QUERY
        assert gallery.names == TEST
        assert gallery.identities == ["0002", "0002", "0004"]
        assert gallery.cameras.tolist() == [1, 1, 2]
        assert training_people(new_protocol / boxes).names == TRAIN


def test_extracted_images_are_read_by_torchreid_s_split(extracted):
    train, test = CUHK03(extracted), CUHK03(extracted, "test")
    assert recognize(extracted) == "cuhk03"
    assert train.names == EXTRACTED[:2]
    assert train.identities == ["1_001"] * 2
    assert train.cameras.tolist() == [1, 2]
    assert test.names == EXTRACTED[2:]  # of another camera pair, so somebody else
    assert test.identities == ["5_001"] * 2
    assert CUHK03(extracted, boxes="detected").paths[0].parent.name == "images_detected"
    with pytest.raises(NoTestSplitError, match=r"has no identity-split\.json"):
        CUHK03(extracted, "test", boxes="detected")
    text = torchreid_split(EXTRACTED[2:], EXTRACTED[:1], EXTRACTED[1:2])
    (extracted / "splits_classic_labeled.json").write_text(text)
    assert CUHK03(extracted).names == EXTRACTED[:2]  # the new protocol's comes first
    (extracted / "splits_new_labeled.json").unlink()
    assert CUHK03(extracted).names == EXTRACTED[2:]


@pytest.mark.parametrize("layout", ["first_pair", "new_protocol", "extracted"])
def test_images_are_of_one_size_without_padding_and_joints_stay_on_them(layout, request):
    root = request.getfixturevalue(layout)
    data = CUHK03(root)
    assert data.size == (256, 96)
    assert data.images.shape == (len(data), 3, 256, 96)
    # The whole photo and nothing else: corners are corners, to the resampling.
    for row, path in enumerate(data.paths):
        with Image.open(path) as photo:
            whole = photo.convert("RGB").resize((96, 256), Image.Resampling.BICUBIC)
        expected = torch.from_numpy(np.array(whole)).permute(2, 0, 1)
        assert (data.images[row].int() - expected.int()).abs().max() <= 3
    raw = CUHK03(root, fit="exact")
    for row, path in enumerate(data.paths):
        with Image.open(path) as photo:
            scale = torch.tensor([96 / photo.width, 256 / photo.height])
        torch.testing.assert_close(
            data.poses.joints[row], (raw.poses.joints[row] + 0.5) * scale - 0.5
        )
    assert CUHK03(root, size=(128, 64)).images.shape[2:] == (128, 64)


@pytest.mark.parametrize("split", ["train", "test"])
def test_somebody_on_both_sides_is_refused_in_every_layout(
    first_pair, new_protocol, extracted, split
):
    text = json.dumps({"train": ["0000", "0001"], "test": ["0001"]})
    (first_pair / "identity-split.json").write_text(text)
    (new_protocol / "labeled" / "query" / "0003_c2_9.png").touch()
    text = torchreid_split(EXTRACTED[:2], EXTRACTED[2:3], EXTRACTED[1:2])
    (extracted / "splits_new_labeled.json").write_text(text)
    for root, who in ((first_pair, "0001"), (new_protocol, "0003"), (extracted, "1_001")):
        with pytest.raises(InputError, match=f"has {who} in both train and test"):
            CUHK03(root, split)


@pytest.mark.parametrize(
    "text", ["{", "[]", "[{}]", '[{"train": 1, "query": 2, "gallery": 3}]', '{"train": []}']
)
def test_a_malformed_split_of_extracted_images_is_refused(extracted, text):
    (extracted / "splits_new_labeled.json").write_text(text)
    with pytest.raises(InputError, match="is not a list of splits like"):
        CUHK03(extracted)


def test_what_is_missing_is_named(first_pair, extracted, tmp_path):
    with pytest.raises(InputError, match="absent does not exist"):
        CUHK03(tmp_path / "absent")
    with pytest.raises(InputError, match="has no CUHK03 images"):
        CUHK03(tmp_path)
    with pytest.raises(InputError, match="has no detected images"):
        CUHK03(first_pair, boxes="detected")
    (first_pair / "annotation.csv").unlink()
    with pytest.raises(InputError, match=r"annotation\.csv; CUHK03 comes without joints"):
        CUHK03(first_pair)
    (extracted / "annotation-labeled.csv").unlink()
    with pytest.raises(InputError, match=r"annotation-labeled\.csv or annotation\.csv"):
        CUHK03(extracted)


def test_other_layouts_are_not_taken_for_it(tmp_path):
    for name in ("labeled/bounding_box_train/0002_c1s1_000451_03.jpg", "images/beach.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert find_layout(tmp_path) is None
    assert find_layout(tmp_path / "labeled") is None
    assert recognize(tmp_path / "labeled") == "market1501"


def test_the_doctor_counts_and_states_the_terms(first_pair, new_protocol, extracted, capsys):
    assert main(["data", "check", str(first_pair)]) == 0
    printed = capsys.readouterr().out
    assert "layout of cuhk03\n  images: 5 images, 2 identities, 2 cameras\n" in printed
    for words in ("research only", "identifiable people", "do not redistribute", "CVPR 2014"):
        assert words in printed
    result = examine(new_protocol)
    assert result.layout == "cuhk03"
    assert result.counts["images"] == {
        "labeled/bounding_box_train": {"images": 3, "identities": 2, "cameras": 2},
        "labeled/query": {"images": 2, "identities": 1, "cameras": 2},
        "labeled/bounding_box_test": {"images": 3, "identities": 2, "cameras": 2},
    }
    assert set(result.counts["annotations"]) == {
        "labeled/annotation-train.csv",
        "labeled/annotation-test.csv",
    }
    # Only that it is not all of CUHK03; the detector's boxes are looked at by themselves.
    assert {finding.kind for finding in result.findings} == {"other-count", "not-looked-at"}
    assert [f.file for f in result.findings if f.kind == "not-looked-at"] == ["detected"]
    whole = [f.what for f in result.findings if f.kind == "other-count"]
    assert "3 images, officially 7,368" in whole
    half = examine(new_protocol / "detected")
    assert "3 images, officially 7,365" in [f.what for f in half.findings]
    result = examine(extracted)
    assert set(result.counts["annotations"]) == {"annotation-labeled.csv"}
    assert "4 images, officially 14,096" in [f.what for f in result.findings]


def test_the_doctor_finds_leaks_lost_joints_and_odd_sizes(first_pair, new_protocol, extracted):
    (first_pair / "identity-split.json").write_text('{"train": ["0000", "0001"], "test": ["0001"]}')
    Image.new("RGB", (64, 128)).save(first_pair / "images" / "0000_01.jpg")
    kinds = {(f.kind, f.file) for f in examine(first_pair).findings}
    assert kinds == {
        ("leak", "identity-split.json"),
        ("odd-size", "images/0000_01.jpg"),
        ("no-joints", "images/0000_01.jpg"),
    }
    (new_protocol / "labeled" / "bounding_box_train" / "0004_c1_9.png").touch()
    assert "leak" in {f.kind for f in examine(new_protocol).findings}
    text = torchreid_split(EXTRACTED[:2], EXTRACTED[2:3], EXTRACTED[1:2])
    (extracted / "splits_new_labeled.json").write_text(text)
    assert "leak" in {f.kind for f in examine(extracted).findings}
    (extracted / "splits_new_labeled.json").write_text("[]")
    assert "bad-split" in {f.kind for f in examine(extracted).findings}


def test_pairs_are_written(first_pair, tmp_path):
    out = tmp_path / "pairs.csv"
    arguments = ["--split", "test", "--out", str(out)]
    assert main(["data", "pairs", str(first_pair), *arguments]) == 0
    assert read_pairs(out) == [tuple(FIRST_PAIR[3:]), tuple(FIRST_PAIR[:2:-1])]


@pytest.fixture(scope="module")
def real(cuhk03):
    """The real data by split; without their pixels until asked for."""
    return {split: CUHK03(cuhk03, split) for split in ("train", "test", "all")}


def test_no_test_identity_of_the_real_data_trains(real, cuhk03):
    split = json.loads((cuhk03 / "identity-split.json").read_text())
    for part in ("train", "test"):
        assert set(real[part].identities) == set(split[part])
    # Also by the names alone, without the parser.
    assert not {name[:4] for name in real["train"].names} & set(split["test"])


def test_the_real_data_have_the_known_numbers(real, cuhk03):
    train, test, everybody = real["train"], real["test"], real["all"]
    assert recognize(cuhk03) == "cuhk03"
    assert (len(train), len(test), len(everybody)) == (6264, 975, 7239)
    assert int(everybody.usable.sum()) == 6983
    assert (len(set(train.identities)), len(set(test.identities))) == (643, 100)
    assert test.framings is None
    assert test.images.shape == (975, 3, 256, 96)
    cameras = test.cameras
    for row, name in enumerate(test.names):
        assert cameras[row] == (1 if name[5:7] < "05" else 2)


def test_the_committed_pairs_are_the_sampling(real):
    listed = read_pairs(PAIR_LIST)
    assert len(listed) == len(set(listed)) == 500
    assert listed == build_pairs(real["test"], 500, seed=0)
    usable = {
        name for name, use in zip(real["test"].names, real["test"].usable, strict=True) if use
    }
    assert {name for pair in listed for name in pair} <= usable


def test_copies_of_the_source_photos_can_be_scored(real, cuhk03, tmp_path):
    pairs = read_pairs(PAIR_LIST)[:3]
    (tmp_path / "made").mkdir()
    for source, target in pairs:
        with Image.open(cuhk03 / "images" / source) as photo:
            photo.save(tmp_path / "made" / f"{source[:-4]}__{target[:-4]}.png")
    lines = ["from,to", *(",".join(pair) for pair in pairs)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    arguments = {
        "--images": cuhk03 / "images",
        "--annotations": cuhk03 / "annotation.csv",
        "--pairs": tmp_path / "pairs.csv",
        "--generated": tmp_path / "made",
        "--json": tmp_path / "report.json",
    }
    flags = [str(part) for pair in arguments.items() for part in pair]
    assert main(["evaluate", *flags, "--metrics", "l1", "ssim", "part_error_torso"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    test = real["test"]
    rows = [[test.names.index(name) for name in pair] for pair in pairs]
    images = test.images.float() / 127.5 - 1
    wanted = np.mean([float((images[a] - images[b]).abs().mean()) for a, b in rows])
    assert report["metrics"]["l1"]["value"] == pytest.approx(wanted, abs=1e-5)
