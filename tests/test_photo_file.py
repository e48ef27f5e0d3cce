"""Photos of users, in every form that they have, and what only looks like one."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from deformgan.errors import InputError
from deformgan.inputs import load_photo
from deformgan.photo_file import (
    decode_photo,
    describe_others,
    is_photo,
    list_photos,
    photo_size,
    read_photo,
    scale_grey,
)
from deformgan.photos import Photos

RAMP = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)
COLOURS = np.stack([RAMP, 255 - RAMP, RAMP // 2], axis=-1)
PROGRAM = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(OUT) (w) file (ran) writestring\n"


def write(path, content):
    path.write_bytes(content)
    return path


def encoded(array, kind, **options):
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return out.getvalue()


def png(width, height, bits=8, colour=0):
    """A PNG that says it is of this size, and has no pixels."""

    def chunk(name, data):
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"])
@pytest.mark.parametrize("name", ["photo.jfif", "photo.png", "photo", "photo.txt"])
def test_content_decides_not_the_name(tmp_path, kind, name):
    if not features.check("avif") and kind == "AVIF":
        pytest.skip("this Pillow reads no AVIF")
    path = write(tmp_path / name, encoded(COLOURS, kind))
    assert is_photo(path)
    assert photo_size(path) == (12, 20)
    assert np.abs(read_photo(path).astype(int) - COLOURS).mean() < 25  # GIF has 256 colours
    assert Photos(path).names == [name]
    assert (load_photo(path) == read_photo(path)).all()


@pytest.mark.parametrize(
    "content",
    [
        PROGRAM,
        b"\xc5\xd0\xd3\xc6" + bytes(28) + PROGRAM,  # EPS with a preview
        b"%PDF-1.4\n1 0 obj",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"\xd7\xcd\xc6\x9a" + bytes(40),  # WMF
        b"P6 2 2 255 " + bytes(12),
        b"8BPS\0\x01" + bytes(40),
        b"\0\0\x01\0\x01\0" + bytes(40),  # ICO
        b"icns" + bytes(40),
        b"SIMPLE  =                    T",  # FITS
        b"BM but no picture",
        b"\0\0\0\x18ftypmp42" + bytes(20),  # a video
    ],
)
@pytest.mark.parametrize("name", ["photo.jpg", "photo.eps", "photo"])
def test_what_is_no_photo_is_opened_by_nothing(tmp_path, monkeypatch, content, name):
    for program in ("subprocess.check_call", "subprocess.Popen", "os.system", "os.startfile"):
        monkeypatch.setattr(program, None, raising=False)
    path = write(tmp_path / name, content.replace(b"OUT", os.fsencode(tmp_path / "ran")))
    assert not is_photo(path)
    with pytest.raises(InputError, match="cannot be read as an image"):
        read_photo(path)
    with pytest.raises(InputError, match="cannot be read as an image"):
        photo_size(path)
    with pytest.raises(InputError, match="cannot be read as an image"):
        decode_photo(content)
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("width", "height"),
    [(14000, 13000), (40000, 40000), (100_000, 2), (1, 2**31 - 1), (65500, 65500), (2, 60_000)],
)
def test_too_many_pixels_are_said_as_such(tmp_path, width, height):
    path = write(tmp_path / "photo.png", png(width, height))
    for read in (read_photo, photo_size):
        with pytest.raises(InputError, match=f"has too many pixels, {width}x{height} "):
            read(path)


def test_a_heic_photo_is_named(tmp_path):
    path = write(tmp_path / "a.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(InputError, match="is a HEIC photo"):
        read_photo(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_cut_or_changed_file_is_read_or_refused(tmp_path, kind):
    whole = encoded(COLOURS, kind)
    random = np.random.default_rng(0)
    for number in range(60):
        changed = bytearray(whole[: len(whole) - number * len(whole) // 80])
        for place in random.integers(4, len(changed), 3):
            changed[place] = random.integers(256)
        try:
            photo = decode_photo(bytes(changed))
        except InputError:
            continue
        assert photo.dtype == np.uint8
        assert photo.shape[2] == 3


@pytest.mark.parametrize("make", ["folder", "fifo", "device", "missing", "nul", "empty"])
def test_what_is_no_file_is_refused_at_once(tmp_path, make):
    path = tmp_path / "photo.jpg"
    if make == "folder":
        path.mkdir()
    elif make == "fifo":
        os.mkfifo(path)
    elif make == "device":
        path.symlink_to("/dev/zero")
    elif make == "nul":
        path = tmp_path / "a\0b.jpg"
    elif make == "empty":
        path.touch()
    for read in (read_photo, photo_size):
        with pytest.raises(InputError, match=r"cannot be read|does not exist"):
            read(path)
    assert make == "nul" or not is_photo(path)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("white", [257, 16, 1])  # 16, 12 or 8 bits in 16
def test_grey_of_16_bits_is_scaled(kind, white):
    grey = RAMP.astype(np.uint16) * white
    grey[0, 0] = 255 * white
    expected = RAMP.copy()
    expected[0, 0] = 255
    photo = decode_photo(encoded(grey, kind))
    assert photo.shape == (12, 20, 3)
    assert np.abs(photo.astype(int) - expected[..., None]).max() <= (0 if white != 16 else 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([[0, 0.5, 1]]), [0, 128, 255]),
        (np.float32([[0, 100, 255]]), [0, 100, 255]),
        (np.float32([[0, np.nan, 65535]]), [0, 0, 255]),
        (np.float32([[-1, 0, 1]]), [0, 128, 255]),
        (np.float32([[1e30, 2e30, 3e30]]), [0, 128, 255]),
        (np.int32([[0, 1 << 20, 1 << 21]]), [0, 128, 255]),
        (np.int32([[0, 7, 255]]), [0, 7, 255]),
        (np.float32([[np.inf, 0, 0]]), [0, 0, 0]),
    ],
)
def test_grey_of_other_ranges_is_scaled(values, expected):
    assert scale_grey(values).tolist() == [expected]
    if np.isfinite(values).all() and values.max() < 1e9:
        photo = decode_photo(encoded(values, "TIFF"))
        assert photo[..., 0].tolist() == [expected]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "1", "CMYK"])
def test_transparent_pixels_are_white(mode):
    hidden = Image.new("RGBA", (2, 1), (0, 0, 255, 0))
    hidden.putpixel((1, 0), (40, 40, 40, 255))
    if mode in ("1", "CMYK"):
        photo = load_photo(Image.new("RGB", (2, 1), (255, 255, 255)).convert(mode))
        assert photo.tolist() == [[[255] * 3] * 2]
        return
    photo = load_photo(hidden.quantize(4) if mode in ("P", "PA") else hidden.convert(mode))
    assert photo[0, 0].tolist() == [255, 255, 255]
    assert np.abs(photo[0, 1].astype(int) - 40).max() <= 1


def test_colour_keys_and_half_transparency_are_composed():
    keyed = encoded(np.uint8([[[9, 9, 9], [1, 2, 3]]]), "PNG", transparency=(9, 9, 9))
    assert decode_photo(keyed).tolist() == [[[255, 255, 255], [1, 2, 3]]]
    half = encoded(np.uint8([[[0, 0, 0, 128]]]), "PNG")
    assert decode_photo(half).tolist() == [[[127, 127, 127]]]


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_photo_is_turned_upright_and_odd_tags_are_no_harm(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    content = encoded(COLOURS, "PNG", exif=exif)
    assert decode_photo(content).shape == ((20, 12, 3) if turn >= 5 else (12, 20, 3))
    exif[0x0112] = turn + 90
    assert (decode_photo(encoded(COLOURS, "PNG", exif=exif)) == COLOURS).all()
    broken = encoded(COLOURS, "PNG", exif=b"Exif\0\0MM" + bytes([turn] * 20))
    assert (decode_photo(broken) == COLOURS).all()


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "GIF"])
def test_an_animated_picture_is_a_film(tmp_path, kind):
    frames = [Image.new("RGB", (8, 8), (60 * number, 0, 0)) for number in range(4)]
    path = tmp_path / "walk.webp"  # whatever it is
    more = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=40, **more)
    film = Photos(path)
    assert film.is_video
    assert len(film) == 4
    assert [photo.read()[0, 0, 0] for photo in film] == [0, 60, 120, 180]
    assert film.fps == pytest.approx(25)
    assert read_photo(path).shape == (8, 8, 3)


def test_a_folder_lists_photos_and_says_what_it_leaves_out(tmp_path):
    for name, kind in {"a.jfif": "JPEG", "b": "PNG", "c.TIF": "TIFF", "d.pic": "WEBP"}.items():
        write(tmp_path / name, encoded(COLOURS, kind))
    write(tmp_path / "._a.jfif", encoded(COLOURS, "JPEG"))
    write(tmp_path / ".hidden.png", encoded(COLOURS, "PNG"))
    write(tmp_path / "broken.jpg", b"no")
    for name in ("notes.txt", "Thumbs.db", "film.mp4", "e.svg"):
        write(tmp_path / name, b"<svg/>")
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub" / "f", encoded(COLOURS, "BMP"))
    photos, others = list_photos(tmp_path)
    assert sorted(path.name for path in photos) == ["a.jfif", "b", "broken.jpg", "c.TIF", "d.pic"]
    assert (
        describe_others(others) == "4 others are no photos: Thumbs.db, e.svg, film.mp4 and 1 more"
    )
    assert sorted(Photos(tmp_path).names) == ["a.jfif", "b", "broken.jpg", "c.TIF", "d.pic"]
    deep, _ = list_photos(tmp_path, deep=True)
    assert tmp_path / "sub" / "f" in deep
