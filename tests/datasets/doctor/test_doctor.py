"""The doctor: nothing to say of what is whole, and every fault found where it is."""

import io
import json
import os
import random
import shutil
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.cli.main import main
from deformgan.datasets import recognize
from deformgan.datasets.doctor import KINDS, examine
from deformgan.datasets.doctor.finding import Finding, printable
from deformgan.datasets.surfaces import write_surface
from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats import (
    Annotations,
    read_annotation_csv,
    write_annotation_csv,
    write_annotations,
)

TABLE, PAIRS, SPLIT, TRAIN = (
    "annotation.csv",
    "pairs.csv",
    "identity-split.json",
    "bounding_box_train",
)


def faults(root: Path) -> set[tuple[str, str | None, int | None]]:
    """Kind, file and line of every error and warning."""
    return {
        (finding.kind, finding.file, finding.line)
        for finding in examine(root).findings
        if finding.severity != "info"
    }


def edit(path: Path, line: int, text: str | None) -> None:
    """Replace a line, counted from 1, or append one (0), or delete it (None)."""
    lines = path.read_text().splitlines()
    if line == 0:
        lines.append(text or "")
    elif text is None:
        del lines[line - 1]
    else:
        lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")


def row(root: Path, line: int) -> list[str]:
    """Name, y and x of a line of the annotation table."""
    return (root / TABLE).read_text().splitlines()[line - 1].split(": ")


def test_a_whole_set_has_no_fault(market, capsys):
    result = examine(market)
    assert result.findings == []
    assert result.layout == recognize(market) == "market1501"
    assert result.counts["images"] == {
        TRAIN: {"images": 18, "identities": 6, "cameras": 3, "junk": 0, "distractors": 0}
    }
    assert result.counts["annotations"] == {TABLE: {"lines": 18, "without_joints": 0, "usable": 18}}
    assert result.counts["pairs"] == {PAIRS: {"lines": 36}}
    assert main(["data", "check", str(market)]) == 0
    assert capsys.readouterr().out.endswith("\n\n0 errors, 0 warnings\n")


def test_the_terms_are_of_the_data_set_and_not_of_its_layout(market):
    assert examine(market).terms is None  # whoever's photos these are
    terms = examine(market.rename(market.parent / "market1501")).terms
    assert terms is not None
    for words in ("Market-1501", "research only", "do not redistribute", "ICCV 2015"):
        assert words in terms


def test_a_set_broken_in_many_ways_has_each_fault_named_with_file_and_line(
    market, tmp_path, capsys
):
    images = market / TRAIN
    names = sorted(file.name for file in images.iterdir())
    expected = set()

    # 1. An image that was not copied to its end; 2. one of which nothing arrived.
    whole = (images / names[0]).read_bytes()
    (images / names[0]).write_bytes(whole[: len(whole) // 2])
    (images / names[1]).write_bytes(b"")
    expected |= {("unreadable-image", f"{TRAIN}/{name}", None) for name in names[:2]}
    # 3. An image of another size.
    with Image.open(images / names[2]) as image:
        image.resize((128, 256)).save(images / names[2])
    expected |= {("odd-size", f"{TRAIN}/{names[2]}", None)}
    # 4. A photo of one person under the name of another: 0003 is really 0002.
    shutil.copy(images / names[3], images / names[6])
    expected |= {("two-people-one-image", f"{TRAIN}/{names[6]}", None)}
    # 5. The same photo twice, and 6. thereby an image that no table knows.
    shutil.copy(images / names[4], images / "0002_c9s9_999999_99.jpg")
    expected |= {
        ("equal-images", f"{TRAIN}/0002_c9s9_999999_99.jpg", None),
        ("no-joints", f"{TRAIN}/0002_c9s9_999999_99.jpg", None),
    }
    # 7. A name that tells nobody.
    (images / "holiday.jpg").write_bytes((images / names[5]).read_bytes() + b"\n")
    expected |= {
        ("odd-name", f"{TRAIN}/holiday.jpg", None),
        ("equal-images", f"{TRAIN}/holiday.jpg", None),
    }
    # 8. A folder where an image should be, so that its line and its pairs have none.
    (images / names[7]).unlink()
    (images / names[7]).mkdir()
    expected |= {("no-file", f"{TRAIN}/{names[7]}", None), ("no-image", TABLE, 9)}
    expected |= {
        ("unknown-in-pair", PAIRS, number)
        for number, line in enumerate((market / PAIRS).read_text().splitlines(), start=1)
        if names[7] in line
    }
    # 9. A line with a list too short: the image is then without joints, as are its pairs.
    name, y, x = row(market, 10)
    edit(market / TABLE, 10, f"{name}: {y[:4]}]: {x}")
    expected |= {("bad-row", TABLE, 10), ("no-joints", f"{TRAIN}/{names[8]}", None)}
    expected |= {
        ("unusable-in-pair", PAIRS, number)
        for number, line in enumerate((market / PAIRS).read_text().splitlines(), start=1)
        if names[8] in line and names[7] not in line
    }
    # 10. A name twice in the table.
    edit(market / TABLE, 0, ": ".join(row(market, 11)))
    expected |= {("repeated-name", TABLE, 20)}
    # 11. y and x exchanged, on one line.
    name, y, x = row(market, 12)
    edit(market / TABLE, 12, f"{name}: {x}: {y}")
    expected |= {("swapped-axes", TABLE, 12)}
    # 12. A joint outside of the image.
    name, y, x = row(market, 13)
    edit(market / TABLE, 13, f"{name}: {y}: {[*json.loads(x)[:1], 64, *json.loads(x)[2:]]}")
    expected |= {("joints-outside", TABLE, 13)}
    # 13. Somebody in both halves of the split.
    (market / SPLIT).write_text(
        '{"train": ["0001", "0002",\n "0003", "0004"],\n"test": ["0005",\n"0002",\n"0006"]}'
    )
    expected |= {("leak", SPLIT, 4)}
    # 14. Pairs of two people, of different splits, of one image, twice, and no pair at all.
    edit(market / PAIRS, 0, f"{names[9]},{names[6]}")
    edit(market / PAIRS, 0, f"{names[9]},{names[12]}")
    edit(market / PAIRS, 0, f"{names[9]},{names[9]}")
    edit(market / PAIRS, 0, f"{names[0]},{names[1]}")
    edit(market / PAIRS, 0, f"{names[0]}")
    expected |= {
        (kind, PAIRS, 37 + line)
        for line, kind in enumerate(
            ("pair-of-two", "leak", "pair-of-one", "repeated-pair", "bad-row"), start=1
        )
    }

    assert faults(market) == expected
    report = tmp_path / "report.json"
    assert main(["data", "check", str(market), "--json", str(report)]) == 1
    printed = capsys.readouterr().out
    data = json.loads(report.read_text())
    in_report = {
        (finding["kind"], finding["file"], finding["line"])
        for finding in data["findings"]
        if finding["severity"] != "info"
    }
    assert in_report == expected
    assert data["numbers"]["error"] + data["numbers"]["warning"] == len(expected)
    for kind, file, line in expected:
        assert KINDS[kind].title in printed
        assert f"{file}{'' if line is None else f', line {line}'}" in printed


def test_a_leak_between_the_folders_is_found_and_nobody_is_in_no_split(market):
    (market / SPLIT).unlink()
    test = market / "bounding_box_test"
    test.mkdir()
    names = sorted(file.name for file in (market / TRAIN).iterdir())
    for index, name in enumerate(["0002_c4s1_000001_00.jpg", "0000_c1s1_000001_00.jpg"]):
        picture = np.full((128, 64, 3), index * 90, np.uint8)
        Image.fromarray(picture).save(test / name)
    Image.fromarray(np.full((128, 64, 3), 7, np.uint8)).save(test / "-1_c1s1_000001_00.jpg")
    for grey, who in ((70, "0000"), (33, "-1")):  # beside junk, 0000 is nobody
        picture = Image.fromarray(np.full((128, 64, 3), grey, np.uint8))
        picture.save(market / TRAIN / f"{who}_c1s1_000001_00.jpg")
    result = examine(market)
    assert faults(market) == {
        ("leak", "bounding_box_test/0002_c4s1_000001_00.jpg", None),
        ("missing-part", "bounding_box_test", None),  # its annotation table
    }
    (leak,) = [finding for finding in result.findings if finding.kind == "leak"]
    assert names[3] in leak.what
    assert result.counts["images"]["bounding_box_test"] == {
        "images": 3,
        "identities": 1,
        "cameras": 2,
        "junk": 1,
        "distractors": 1,
    }


def test_garments_of_both_splits_leak_and_other_colors_are_told(market, tmp_path):
    root = tmp_path / "fashion"
    root.mkdir()
    table = read_annotation_csv(market / TABLE)
    garments = ["WOMENDressesid0000000101", "WOMENDressesid0000000102", "MENTeesTanksid0000000201"]
    sides = {"train": [0, 2], "test": [1, 2]}
    names = {side: [f"fasion{garments[g]}_1front.jpg" for g in sides[side]] for side in sides}
    for side, column in names.items():
        rows = range(len(column)) if side == "train" else range(2, 4)
        pose = table.pose[list(rows)]
        write_annotation_csv(root / f"fasion-annotation-{side}.csv", Annotations(column, pose))
    for index, garment in enumerate(garments):
        picture = np.full((256, 256, 3), 50 * index, np.uint8)
        Image.fromarray(picture).save(root / f"fasion{garment}_1front.jpg")
    result = examine(root)
    assert result.layout == recognize(root) == "deepfashion"
    found = {(f.kind, f.file, f.line) for f in result.findings}
    assert ("leak", "fasion-annotation-test.csv", 3) in found
    assert ("shared-item", "fasion-annotation-test.csv", 2) in found
    assert ("other-count", None, None) in found
    assert len(found) == 3


@pytest.mark.parametrize("size", [(128, 64), (256, 256)])
def test_a_table_with_y_and_x_exchanged_is_named_once(market, size):
    lines = (market / TABLE).read_text().splitlines()
    table = read_annotation_csv(market / TABLE)
    scale = torch.tensor([size[1] / 64, size[0] / 128])
    pose = Pose(table.pose.joints * scale, table.pose.visible)
    write_annotation_csv(market / TABLE, Annotations(table.names, pose))
    for name in table.names:
        with Image.open(market / TRAIN / name) as image:
            image.resize((size[1], size[0])).save(market / TRAIN / name)
    assert faults(market) == set()
    for line in range(2, len(lines) + 1):
        name, y, x = row(market, line)
        edit(market / TABLE, line, f"{name}: {x}: {y}")
    assert faults(market) == {("swapped-axes", TABLE, 2)}


def test_a_table_of_nothing_but_minus_one_is_the_known_bug_and_named_once(market):
    table = read_annotation_csv(market / TABLE)
    nobody = Pose(table.pose.joints, torch.zeros_like(table.pose.visible))
    write_annotation_csv(market / TABLE, Annotations(table.names, nobody))
    (market / PAIRS).unlink()
    assert faults(market) == {("all-missing", TABLE, 2)}
    assert "Python 3" in KINDS["all-missing"].advice
    # One pose makes the others what every table has: images in which nobody was found.
    some = Pose(table.pose.joints, (torch.arange(18) == 4)[:, None] & table.pose.visible)
    write_annotation_csv(market / TABLE, Annotations(table.names, some))
    result = examine(market)
    assert [finding.kind for finding in result.findings] == ["nobody-found"] * 17
    assert result.counts["annotations"][TABLE] == {"lines": 18, "without_joints": 17, "usable": 1}


def test_coordinates_in_shares_of_the_size_are_named_once(market):
    table = read_annotation_csv(market / TABLE)
    pose = Pose(table.pose.joints / torch.tensor([64.0, 128.0]), table.pose.visible)
    write_annotation_csv(market / TABLE, Annotations(table.names, pose))
    assert faults(market) == {("shares-of-size", TABLE, 2)}


def test_a_pose_without_torso_is_told_with_what_it_lacks(market):
    name, y, x = row(market, 5)
    ys = json.loads(y)
    ys[8] = -1
    edit(market / TABLE, 5, f"{name}: {ys}: {x}")
    (market / PAIRS).unlink()
    (finding,) = examine(market).findings
    assert (finding.kind, finding.severity, finding.line) == ("no-torso", "info", 5)
    assert finding.what == f"{name}, without right_hip"


def test_a_table_without_header_is_read_all_the_same(market):
    edit(market / TABLE, 1, None)
    assert faults(market) == {("bad-header", TABLE, 1)}
    edit(market / TABLE, 1, "name;y;x")
    found = faults(market)
    assert ("bad-header", TABLE, 1) in found
    assert not any(kind == "bad-row" for kind, _, _ in found)  # the header is no row as well


def test_bytes_that_are_not_utf8_spoil_their_line_alone(market):
    lines = (market / TABLE).read_bytes().splitlines()
    lines[6] = lines[6].replace(b"0002", b"000\xe9", 1)
    (market / TABLE).write_bytes(b"\n".join(lines))
    (market / PAIRS).unlink()
    found = faults(market)
    assert ("bad-row", TABLE, 7) in found
    assert {kind for kind, _, _ in found} == {"bad-row", "no-joints"}


def test_a_rendered_image_without_mask_is_named(market):
    (market / "masks").mkdir()
    names = sorted(file.name for file in (market / TRAIN).iterdir())
    for name in names[1:]:
        Image.new("L", (64, 128)).save(market / "masks" / f"{Path(name).stem}.png")
    assert examine(market).layout == recognize(market) == "synthetic"
    assert faults(market) == {("incomplete-render", f"{TRAIN}/{names[0]}", None)}


@pytest.fixture
def surfaces(market) -> list[Path]:
    """The files of a set with surfaces, in order."""
    (market / "surfaces").mkdir()
    files = []
    for image in sorted((market / TRAIN).iterdir()):
        files.append(market / "surfaces" / f"{image.stem}.npz")
        write_surface(files[-1], torch.rand(3, 128, 64), torch.zeros(128, 64, dtype=torch.uint8))
    return files


def test_surfaces_are_looked_at_and_nothing_is_said_of_whole_ones(market, surfaces, capsys):
    assert examine(market).layout == recognize(market) == "synthetic"
    assert faults(market) == set()
    assert main(["data", "check", str(market)]) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out


def test_a_missing_a_damaged_and_an_odd_surface_are_named(market, surfaces, capsys):
    names = [f"surfaces/{path.name}" for path in surfaces]
    surfaces[0].unlink()
    surfaces[1].write_bytes(surfaces[1].read_bytes()[:500])
    data = bytearray(surfaces[2].read_bytes())
    data[len(data) // 2] ^= 255
    surfaces[2].write_bytes(data)
    write_surface(surfaces[3], torch.rand(3, 64, 32), torch.zeros(64, 32, dtype=torch.uint8))
    assert faults(market) == {
        ("incomplete-render", f"{TRAIN}/{surfaces[0].stem}.jpg", None),
        *(("unreadable-surface", name, None) for name in names[1:4]),
    }
    what = {f.file: f.what for f in examine(market).findings if f.kind == "unreadable-surface"}
    assert what[names[3]] == "32x64, but its picture is 64x128"
    assert what[names[1]].startswith("is not a surface")
    assert main(["data", "check", str(market)]) == 1
    assert names[2] in capsys.readouterr().out


def own_photos(market: Path, root: Path) -> Path:
    """The same people as somebody's own photos: a folder for each person."""
    table = read_annotation_csv(market / TABLE)
    names = []
    for name in table.names:
        names.append(f"{name[:4]}/{name[5:]}")
        (root / name[:4]).mkdir(parents=True, exist_ok=True)
        shutil.copy(market / TRAIN / name, root / names[-1])
    write_annotation_csv(root / TABLE, Annotations(names, table.pose))
    return root


def test_own_photos_are_whole_in_any_size_and_an_ambiguous_name_is_named(market, tmp_path):
    root = own_photos(market, tmp_path / "photos")
    with Image.open(root / "0001" / "c1s1_000151_00.jpg") as image:
        image.resize((128, 256)).save(root / "0001" / "c1s1_000151_00.jpg")
    assert recognize(root) == examine(root).layout == "folder"
    assert faults(root) == set()
    for person in ("0001", "0002"):
        os.rename(root / person / f"c2s1_000{person[-1]}51_00.jpg", root / person / "b.jpg")
    _, y, x = row(root, 3)
    edit(root / TABLE, 3, f"b.jpg: {y}: {x}")
    assert faults(root) == {
        ("ambiguous-name", TABLE, 3),
        ("no-image", TABLE, 6),  # 0002/c2s1_000251_00.jpg
    }
    shutil.move(root / "0003" / "c3s1_000351_00.jpg", root / "loose.jpg")
    assert ("no-person-folder", "loose.jpg", None) in faults(root)


def test_own_photos_may_have_their_poses_in_json(market, tmp_path):
    root = own_photos(market, tmp_path / "photos")
    write_annotations(root / "annotation.json", read_annotation_csv(root / TABLE))
    (root / TABLE).unlink()
    assert faults(root) == set()
    (root / "0001" / "c1s1_000151_00.jpg").unlink()
    assert faults(root) == {("no-image", "annotation.json", None)}
    for text in ("", "{}", "[[1]]", '{"skeleton": 3, "poses": 4}', '{"people": [{}, 3]}'):
        (root / "annotation.json").write_text(text)
        assert ("unreadable-table", "annotation.json", None) in faults(root), text


def test_a_set_without_table_and_with_a_photo_on_its_side(market, tmp_path):
    root = own_photos(market, tmp_path / "photos")
    (root / TABLE).unlink()
    assert faults(root) == {("no-table", None, None)}
    # A photo that lies on its side by its EXIF is judged as it stands upright.
    upright = read_annotation_csv(market / TABLE)
    name = upright.names[0]
    with Image.open(market / TRAIN / name) as image:
        exif = Image.Exif()
        exif[0x0112] = 6  # turn clockwise to see it upright
        turned = image.transpose(Image.Transpose.ROTATE_90)
        turned.save(market / TRAIN / name, exif=exif)
    assert turned.size == (128, 64)
    assert faults(market) == set()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"train": ["0001"]}',
        '{"train": "0001", "test": []}',
        '{"train": [1], "test": []}',
        "[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_split_that_is_none_is_named(market, content):
    (market / SPLIT).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert faults(market) == {("bad-split", SPLIT, None)}


def test_market_is_known_by_its_numbers(market):
    """Official numbers are asked only of what is or claims to be Market-1501."""
    assert not any(finding.kind == "other-count" for finding in examine(market).findings)
    (market / TABLE).rename(market / "market-annotation-train.csv")
    found = [finding for finding in examine(market).findings if finding.kind == "other-count"]
    assert f"{TRAIN}: 18 images, officially 12,936" in map(str, found)
    assert "market-annotation-train.csv: 18 usable poses, officially 12,116" in map(str, found)
    absent = [finding.file for finding in examine(market).findings if finding.kind == "absent"]
    assert absent == ["bounding_box_test", "query"]  # not needed: there is an identity split
    (market / SPLIT).unlink()
    missing = {f.file: f.what for f in examine(market).findings if f.kind == "missing-part"}
    assert "19,732 images" in missing["bounding_box_test"]
    assert "ICCV 2015" in missing["query"]


@pytest.mark.slow
def test_the_shared_market_is_what_it_is_known_to_be(market1501):
    result = examine(market1501)
    kinds = {finding.kind for finding in result.findings}
    assert kinds == {"other-count", "absent", "nobody-found", "no-torso"}
    assert result.counts["images"][TRAIN]["images"] == 11_138
    assert result.counts["images"][TRAIN]["identities"] == 651
    texts = [str(finding) for finding in result.findings if finding.kind == "other-count"]
    assert f"{TRAIN}: 651 identities, officially 751" in texts
    # Everybody's first guess at these counts, by other means.
    lines = (market1501 / "market-annotation-train.csv").read_text().splitlines()[1:]
    empty = sum(line.count("-1") == 36 for line in lines)
    assert result.counts["annotations"]["market-annotation-train.csv"]["without_joints"] == empty


def test_what_is_no_data_set_is_refused(tmp_path, market):
    with pytest.raises(InputError, match="does not exist"):
        examine(tmp_path / "absent")
    with pytest.raises(InputError, match="is not a folder"):
        examine(market / TABLE)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "x.jpg").mkdir()
    with pytest.raises(InputError, match=r"contains no image of a data set \(x.jpg: a folder\)"):
        examine(empty)
    shutil.copy(market / TABLE, empty)
    with pytest.raises(InputError, match="contains no image"):
        examine(empty)
    # Images far below are those of something else.
    shutil.copytree(market / TRAIN, empty / "a" / "b" / "c" / "d")
    with pytest.raises(InputError, match="contains no image"):
        examine(empty)


def hostile(root: Path) -> None:
    """Add unexpected files to a data set."""
    images = root / TRAIN
    (images / "loop.jpg").symlink_to(images / "loop.jpg")
    (images / "lost.jpg").symlink_to(root / "nowhere")
    (images / "0001_c1s1_000000_00.jpg").symlink_to("/dev/zero")
    (root / "again").symlink_to(root, target_is_directory=True)
    (images / "again").symlink_to(images, target_is_directory=True)
    os.mkfifo(images / "0002_c1s1_000000_00.jpg")
    os.mkfifo(root / "fifo.csv")
    (root / "folder.csv").mkdir()
    (root / "empty.csv").write_bytes(b"")
    (root / "nul.csv").write_bytes(bytes(1000))
    (root / "long-annotation.csv").write_bytes(b"x" * 3_000_000)
    (root / "pairs-of-quotes.csv").write_text('from,to\n"a\n,\n"",""\n' + "q," * 200_000 + "\n")
    digits = "9" * 5000
    (root / "deep-annotation.csv").write_text(
        f"name:keypoints_y:keypoints_x\na.jpg: {'[' * 90_000}: []\nb.jpg: [{digits}]: [1]\n"
        f"c.jpg: {[10**400] * 18}: {[1] * 18}\nd.jpg: {[1e39] * 18}: {[1] * 18}\n"
        f"{TRAIN}/\x1b[31m.jpg: {[3] * 18}: {[1e30] * 18}\n::\n"
    )
    # A picture said to be 60,000 pixels square, one that says nothing, some that are text.
    huge = io.BytesIO()
    Image.new("1", (1, 1)).save(huge, "PNG")
    data = bytearray(huge.getvalue())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (images / "0003_c1s1_000000_00.png").write_bytes(data)
    (images / "0003_c2s1_000000_00.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    (images / "0003_c3s1_000000_00.jpg").write_text("<html>404</html>")
    (images / "0003_c4s1_000000_00.webp").write_bytes(b"RIFF\xff\xff\xff\xffWEBPVP8 ")
    (images / "new\nline \x1b[31m.jpg").write_bytes(b"")
    with suppress(OSError):  # a file system that takes no such names needs no test of them
        Path(os.fsdecode(os.fsencode(images) + b"/caf\xe9.jpg")).write_bytes(b"")
    locked = root / "locked"
    locked.mkdir()
    locked.chmod(0)
    secret = images / "0004_c1s1_000000_00.jpg"
    secret.write_bytes(b"secret")
    secret.chmod(0)


def test_whatever_lies_in_the_folder_there_is_a_report_and_no_traceback(market, tmp_path, capsys):
    hostile(market)
    report = tmp_path / "report.json"
    try:
        assert main(["data", "check", str(market), "--json", str(report)]) == 1
    finally:
        (market / "locked").chmod(0o700)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "\x1b" not in printed.out
    found = {
        (finding["kind"], finding["file"], finding["line"])
        for finding in json.loads(report.read_text())["findings"]
    }
    huge = f"{TRAIN}/0003_c1s1_000000_00.png: has too many pixels, 60000x60000 (width x height)"
    assert huge in printed.out
    deep = "deep-annotation.csv"
    assert found >= {
        ("no-file", f"{TRAIN}/loop.jpg", None),
        ("no-file", f"{TRAIN}/lost.jpg", None),
        ("no-file", f"{TRAIN}/0001_c1s1_000000_00.jpg", None),
        ("no-file", f"{TRAIN}/0002_c1s1_000000_00.jpg", None),
        ("unreadable-image", f"{TRAIN}/0003_c1s1_000000_00.png", None),
        ("unreadable-image", f"{TRAIN}/0003_c2s1_000000_00.png", None),
        ("unreadable-image", f"{TRAIN}/0003_c3s1_000000_00.jpg", None),
        ("unreadable-image", f"{TRAIN}/new\\nline \\x1b[31m.jpg", None),
        ("unreadable-table", "nul.csv", None),
        ("bad-header", "long-annotation.csv", 1),
        ("bad-row", "pairs-of-quotes.csv", 4),
        *((("bad-row", deep, line)) for line in (2, 3, 4, 5, 7)),
    }


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_gives_a_report(market, seed):
    """Bytes are changed, cut out, doubled in every file, many times over."""
    dice = random.Random(seed)
    files = [file for file in market.rglob("*") if file.is_file()]
    whole = {file: file.read_bytes() for file in files}
    for _ in range(6):
        for file, content in whole.items():
            data = bytearray(content)
            for _ in range(dice.choice([0, 1, 5, 50])):
                start = dice.randrange(len(data) + 1)
                stop = min(start + dice.randrange(40), len(data))
                data[start:stop] = dice.choice(
                    [dice.randbytes(stop - start), b"", bytes(data[start:stop]) * 2, b"\n", b'"']
                )
            file.write_bytes(data)
        for finding in examine(market).findings:
            assert str(finding).isprintable()


def test_text_is_escaped_only_where_it_must_be():
    assert printable("Zoë's café, 写真") == "Zoë's café, 写真"
    assert printable("a\nb\x1b\udcff") == "a\\nb\\x1b\\udcff"
    finding = Finding("bad-row", "two\nlines", "x\udcff.csv", 3)
    assert str(finding) == "x\\udcff.csv, line 3: two\\nlines"
