"""Folders of generated pictures: every file found or named, nothing skipped."""

import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.errors import InputError
from deformgan.evaluation.generated_folder import GeneratedFolder
from deformgan.evaluation.pair_photos import PairPhotos
from deformgan.evaluation.systems import System, picture_name
from deformgan.pose_formats import read_annotations

SIZE = (32, 16)
A, B, C = "0002_c1s1_000451_03.jpg", "0002_c1s1_000551_01.jpg", "0007.x__y.jpg"
PAIRS = [(A, B), (B, C)]


def noise(height=SIZE[0], width=SIZE[1]):
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)


def to_pillow(picture):
    return Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())


def save(picture, path, **options):
    to_pillow(picture).save(path, **options)
    return picture


def stems(pair):
    return tuple(os.path.splitext(name)[0] for name in pair)


def contract(pair, extension=".png"):
    return "__".join(stems(pair)) + extension


@pytest.mark.parametrize(
    ("name", "panels"),
    [
        ("{from_}__{to}.png", 1),
        ("{from_}__{to}.PNG", 1),
        ("{from_}__{to}.png", 3),
        ("{from_file}_{to_file}.png", 3),
        ("{from_file}_{to_file}.png", 1),
        ("{from_file}___{to_file}_vis.png", 5),
        ("{from_}_2_{to}_vis.png", 1),
        ("{from_}_{to}_vis.png", 1),
        ("{from_}_{to}_vis.png", 5),
    ],
)
def test_every_name_of_the_field_is_found_and_the_last_picture_is_the_generated_one(
    tmp_path, name, panels
):
    pictures = {}
    for source, target in PAIRS:
        from_, to = stems((source, target))
        file = name.format(from_=from_, to=to, from_file=source, to_file=target)
        strip = [noise() for _ in range(panels)]
        save(torch.cat(strip, dim=2), tmp_path / file, format="PNG")
        pictures[source] = strip[-1]
    folder = GeneratedFolder(tmp_path, PAIRS)
    assert folder.strays == []
    for row, (source, _) in enumerate(PAIRS):
        reading = folder.read(row, SIZE)
        assert torch.equal(reading.picture, pictures[source])
        assert reading.problems == []
        assert not reading.was_jpeg


@pytest.mark.parametrize("extension", [".jpg", ".jpeg", ".JPG"])
def test_a_jpeg_is_scored_with_a_word_unless_the_protocol_stores_jpeg(tmp_path, extension):
    path = tmp_path / contract(PAIRS[0], extension)
    save(noise(), path, format="JPEG")
    expected = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)
    asked = GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE)
    assert torch.equal(asked.picture, expected)
    assert asked.was_jpeg
    (problem,) = asked.problems
    assert problem == f"{path.name} is a JPEG, the protocol expects PNG: scored as it is."
    assert GeneratedFolder(tmp_path, PAIRS[:1], lossless=False).read(0, SIZE).problems == []


def test_what_a_file_is_counts_not_what_it_is_called(tmp_path):
    save(noise(), tmp_path / contract(PAIRS[0]), format="JPEG")
    assert GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE).was_jpeg
    save(noise(), tmp_path / contract(PAIRS[0]), format="BMP")
    reading = GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE)
    assert reading.picture is None
    assert "is a BMP file" in reading.problems[0]


def test_a_pair_without_a_picture_and_a_picture_without_a_pair_are_named(tmp_path):
    save(noise(), tmp_path / contract(PAIRS[0]))
    for stray in ("0002__0003.png", "statistics.npz", ".0002__0003.png"):
        (tmp_path / stray).write_bytes(b"")
    (tmp_path / "images").mkdir()
    folder = GeneratedFolder(tmp_path, PAIRS)
    missing = folder.read(1, SIZE)
    assert missing.picture is None
    assert missing.problems == [f"{contract(PAIRS[1])} is missing: {B} to {C} has no picture."]
    assert folder.strays == [
        ".0002__0003.png belongs to no pair: not scored.",
        "0002__0003.png belongs to no pair: not scored.",
        "images is a folder: subfolders are not searched.",
        "statistics.npz belongs to no pair: not scored.",
    ]


@pytest.mark.parametrize(
    ("height", "width"), [(32, 15), (31, 16), (64, 32), (32, 32), (32, 64), (16, 32), (32, 96)]
)
def test_a_picture_of_the_wrong_size_is_named_with_both_sizes(tmp_path, height, width):
    save(noise(height, width), tmp_path / contract(PAIRS[0]))
    reading = GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE)
    assert reading.picture is None
    (problem,) = reading.problems
    assert problem.startswith(f"{contract(PAIRS[0])} is {height}x{width} pixels")
    assert "its target photo is 32x16" in problem


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def nothing(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("<html>404</html>")


def damaged(path):
    """Turn some bytes in the middle of the pixels."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(255 - byte for byte in content[middle : middle + 40])
    path.write_bytes(bytes(content))


def huge(path):
    """A head that promises more pixels than a bomb has."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    )


@pytest.mark.parametrize(
    ("kind", "break_"),
    [
        *[("PNG", break_) for break_ in (half, nothing, text, damaged, huge)],
        # A JPEG has no check sum: where its middle is damaged, it is another picture.
        *[("JPEG", break_) for break_ in (half, nothing, text, huge)],
    ],
)
def test_a_broken_file_is_named_and_the_next_one_read(tmp_path, kind, break_):
    for pair in PAIRS:
        save(noise(), tmp_path / contract(pair), format=kind)
    break_(tmp_path / contract(PAIRS[0]))
    folder = GeneratedFolder(tmp_path, PAIRS, lossless=False)
    reading = folder.read(0, SIZE)
    assert reading.picture is None
    (problem,) = reading.problems
    assert problem.startswith(f"{contract(PAIRS[0])} cannot be read")
    assert "\n" not in problem
    assert folder.read(1, SIZE).picture is not None


def test_a_file_that_went_away_is_named(tmp_path):
    path = tmp_path / contract(PAIRS[0])
    save(noise(), path)
    folder = GeneratedFolder(tmp_path, PAIRS[:1])
    path.unlink()
    assert "cannot be read" in folder.read(0, SIZE).problems[0]


def test_two_pictures_of_one_pair_are_not_chosen_between(tmp_path):
    names = [contract(PAIRS[0], ".jpg"), contract(PAIRS[0], ".png")]
    for name in names:
        save(noise(), tmp_path / name)
    reading = GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE)
    assert reading.picture is None
    assert reading.problems[0].startswith(f"{names[0]}, {names[1]} are 2 pictures of one pair")


def test_a_picture_of_two_pairs_is_given_to_neither(tmp_path):
    # a__b to c and a to b__c have one name.
    pairs = [("a__b.png", "c.png"), ("a.png", "b__c.png"), ("b.png", "c.png")]
    save(noise(), tmp_path / "a__b__c.png")
    save(noise(), tmp_path / "b__c.png")
    folder = GeneratedFolder(tmp_path, pairs)
    for row in (0, 1):
        reading = folder.read(row, SIZE)
        assert reading.picture is None
        other = " to ".join(pairs[1 - row])
        assert reading.problems[0].endswith(f"or {other}: not scored.")
    assert folder.read(2, SIZE).picture is not None
    # Names with extensions tell them apart.
    (tmp_path / "a__b__c.png").unlink()
    save(noise(), tmp_path / "a__b.png_c.png.png")
    folder = GeneratedFolder(tmp_path, pairs)
    assert folder.read(0, SIZE).picture is not None
    assert folder.read(1, SIZE).problems[0].startswith("a__b__c.png is missing")


def test_a_pair_that_is_listed_twice_has_its_picture_twice(tmp_path):
    picture = save(noise(), tmp_path / contract(PAIRS[0]))
    folder = GeneratedFolder(tmp_path, [PAIRS[0], PAIRS[0]])
    assert all(torch.equal(folder.read(row, SIZE).picture, picture) for row in (0, 1))


def test_gray_and_palette_pictures_are_scored_as_rgb_and_said_to_be(tmp_path):
    path = tmp_path / contract(PAIRS[0])
    for mode, word in (("L", "grayscale"), ("P", "palette"), ("1", "black and white")):
        stored = to_pillow(noise()).convert(mode)
        stored.save(path)
        reading = GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE)
        expected = np.array(stored.convert("RGB"))
        assert reading.picture is not None
        np.testing.assert_array_equal(reading.picture.permute(1, 2, 0).numpy(), expected)
        assert reading.problems == [f"{path.name} is a {word} picture: scored as RGB."]


def test_an_opaque_alpha_channel_is_dropped_and_a_transparent_one_refused(tmp_path):
    path = tmp_path / contract(PAIRS[0])
    picture = noise()
    stored = to_pillow(picture)
    stored.putalpha(255)
    stored.save(path)
    reading = GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE)
    assert torch.equal(reading.picture, picture)
    assert reading.problems == [f"{path.name} has an opaque alpha channel: scored without it."]
    stored.putpixel((3, 3), (1, 2, 3, 254))
    stored.save(path)
    reading = GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE)
    assert reading.picture is None
    assert "has transparent pixels" in reading.problems[0]


def sixteen_bit_rgb(path):
    """A PNG of 16 bits per colour, which Pillow reads but cannot write."""
    height, width = SIZE
    rows = b"".join(b"\0" + os.urandom(width * 6) for _ in range(height))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )


def test_pictures_of_more_than_8_bits_or_other_colours_are_refused(tmp_path):
    path = tmp_path / contract(PAIRS[0])
    sixteen_bit_rgb(path)
    problem = GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE).problems[0]
    assert "has more than 8 bits per colour" in problem
    Image.fromarray(np.full(SIZE, 40_000, dtype=np.uint16)).save(path)
    problem = GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE).problems[0]
    assert "has more than 8 bits per colour" in problem
    to_pillow(noise()).convert("CMYK").save(path, format="JPEG")
    problem = GeneratedFolder(tmp_path, PAIRS[:1]).read(0, SIZE).problems[0]
    assert "has colour mode CMYK" in problem


def photos_of(pairs, folder):
    """Photos of `SIZE` with poses in which no joint was seen."""
    folder.mkdir()
    names = {name for pair in pairs for name in pair}
    for name in names:
        save(noise(), folder / name)
    unseen = [-1] * 18
    rows = [f"{name}: {unseen}: {unseen}" for name in sorted(names)]
    table = folder / "annotation.csv"
    table.write_text("\n".join(["name:keypoints_y:keypoints_x", *rows]))
    return PairPhotos(folder, pairs, read_annotations(table))


def test_a_batch_has_its_pictures_and_its_problems_and_strays_come_once(tmp_path, tmp_path_factory):
    jpeg = (C, A)
    photos = photos_of([*PAIRS, jpeg], tmp_path_factory.mktemp("given") / "photos")
    picture = save(noise(), tmp_path / contract(PAIRS[0]))
    save(noise(), tmp_path / contract(jpeg, ".jpg"))
    (tmp_path / "extra.png").write_bytes(b"")
    folder = GeneratedFolder.open(tmp_path, photos)
    assert isinstance(folder, System)
    first, second = folder.pictures(photos, [0, 1]), folder.pictures(photos, [2])
    assert list(first.by_row) == [0]
    assert torch.equal(first.by_row[0], picture)
    assert [problem.split()[0] for problem in first.problems] == ["extra.png", contract(PAIRS[1])]
    assert list(second.by_row) == [2]
    assert second.were_jpeg == {2}
    assert [problem.split()[0] for problem in second.problems] == [contract(jpeg, ".jpg")]


def test_what_deformgan_writes_is_what_it_reads(tmp_path):
    for source, target in PAIRS:
        save(noise(), tmp_path / picture_name(source, target))
    folder = GeneratedFolder(tmp_path, PAIRS)
    assert folder.strays == []
    assert all(folder.read(row, SIZE).problems == [] for row in range(len(PAIRS)))


def test_the_description_changes_with_the_files(tmp_path):
    save(noise(), tmp_path / contract(PAIRS[0]))
    before = GeneratedFolder(tmp_path, PAIRS).describe()
    assert before == GeneratedFolder(tmp_path, PAIRS).describe()
    assert before["generated"] == str(tmp_path)
    save(noise(), tmp_path / contract(PAIRS[1]))
    assert before != GeneratedFolder(tmp_path, PAIRS).describe()


def test_reading_keeps_no_picture_in_memory(tmp_path):
    pairs = [(f"{row:05d}_c1.jpg", f"{row:05d}_c2.jpg") for row in range(1_000)]
    first = tmp_path / contract(pairs[0])
    save(noise(), first)
    for pair in pairs[1:]:
        os.link(first, tmp_path / contract(pair))
    tracemalloc.start()
    folder = GeneratedFolder(tmp_path, pairs)
    named = tracemalloc.get_traced_memory()[0]
    for row in range(200):
        assert folder.read(row, SIZE).picture is not None
    kept = tracemalloc.get_traced_memory()[0] - named
    tracemalloc.stop()
    assert named < 3_000 * len(pairs)  # bytes: names in five forms
    assert kept < 100 * SIZE[0] * SIZE[1] * 3  # less than half of the pictures that were read


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        GeneratedFolder(tmp_path / "nowhere", PAIRS)
