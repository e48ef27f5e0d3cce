"""Tests of animated pictures."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deformgan.animated_picture import AnimatedPicture, is_animated
from deformgan.errors import InputError


def write_frames(path: Path, delays: list[int]) -> None:
    """Write an animation whose frames are grey, each brighter than the one before."""
    frames = [
        Image.fromarray(np.full((12, 16, 3), 20 + 40 * number, np.uint8))
        for number in range(len(delays))
    ]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=delays, loop=0)


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Split a PNG into its chunks: name and data."""
    found, place = [], 8
    while place < len(content):
        length = struct.unpack(">I", content[place : place + 4])[0]
        name = content[place + 4 : place + 8]
        found.append((name, content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def join(parts: list[tuple[bytes, bytes]]) -> bytes:
    """Write chunks as a PNG."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_frames_come_in_order_with_their_mean_speed(tmp_path: Path, suffix: str):
    path = tmp_path / f"walk.{suffix}"
    write_frames(path, [40, 60, 80])
    film = AnimatedPicture(path)
    frames = list(film)
    assert is_animated(path)
    assert len(film) == 3
    assert film.fps == pytest.approx(1000 / 60)
    assert [frame.name for frame in frames] == ["walk_000000", "walk_000001", "walk_000002"]
    assert [int(frame.photo.mean()) for frame in frames] == pytest.approx([20, 60, 100], abs=2)


def test_an_animation_damaged_in_its_second_frame_has_its_first(tmp_path: Path):
    path = tmp_path / "walk.png"
    write_frames(path, [40, 40, 40])
    parts = chunks(path.read_bytes())
    second = [place for place, (name, _) in enumerate(parts) if name == b"fcTL"][1]
    # A frame that is not inside the picture: its width is the second number.
    data = bytearray(parts[second][1])
    data[4:8] = struct.pack(">I", 1_000)
    parts[second] = (b"fcTL", bytes(data))
    path.write_bytes(join(parts))
    film = AnimatedPicture(path)
    assert [frame.name for frame in film] == ["walk_000000"]
    assert film.fps == pytest.approx(25)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_a_film_cut_off_anywhere_has_its_first_frames_or_is_refused_by_name(
    tmp_path: Path, suffix: str
):
    path = tmp_path / f"walk.{suffix}"
    write_frames(path, [40, 40, 40])
    content = path.read_bytes()
    counts, refusals = set(), []
    for length in range(1, len(content), 3):
        path.write_bytes(content[:length])
        try:
            counts.add(len(list(AnimatedPicture(path))))
        except InputError as error:
            refusals.append(str(error))
    assert counts <= {1, 2, 3}
    assert refusals
    assert all(path.name in refusal for refusal in refusals)


def test_frames_that_enlarge_a_gif_beyond_the_limit_end_it(tmp_path: Path):
    path = tmp_path / "walk.gif"
    write_frames(path, [40, 40])
    content = bytearray(path.read_bytes())
    descriptors = [place for place, byte in enumerate(content) if byte == 0x2C]
    second = next(p for p in reversed(descriptors) if content[p + 1 : p + 5] == bytes(4))
    content[second + 5 : second + 9] = b"\xff\xff\xff\xff"  # 65535x65535
    path.write_bytes(bytes(content))
    assert len(list(AnimatedPicture(path))) == 1
