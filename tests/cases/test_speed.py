"""Animations keep the speed and the direction of their frames."""

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.cli.animate import _slow_down
from deformgan.cli.animations import most_fps, write_animation, write_video
from deformgan.inputs import PosedPhoto
from deformgan.photos import Photos
from deformgan.pose import Pose
from deformgan.video import Video, turn

pytest.importorskip("av", reason="needs the extra 'video'")

DOT = np.zeros((2, 3, 3), np.uint8)
DOT[0, 0] = 255  # in the top left corner of a picture that is wider than high


def shades(count):
    return [np.full((16, 16, 3), 10 * number, np.uint8) for number in range(count)]


def seconds(path):
    with Image.open(path) as image:
        total = 0
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            total += image.info["duration"]
    return total / 1000


@pytest.mark.parametrize(("name", "fps"), [("f30.mp4", 30), ("f60.mp4", 60)])
def test_05_a_film_has_its_own_speed(case, name, fps):
    assert Photos(case("05-animate-own-speed") / name).fps == pytest.approx(fps)


@pytest.mark.slow
def test_05_an_animation_lasts_as_long_as_its_film(case, run, tmp_path):
    folder = case("05-animate-own-speed")
    for name, lasting in {"f30": 1.0, "f60": 0.5}.items():
        out = tmp_path / f"{name}.mp4"
        words = [folder / "photo.jpg", folder / f"{name}.mp4", "--out", out, "--size", "64"]
        code, printed, _ = run("animate", *words)
        assert code == 0
        film = Video(out)
        assert len(film) / film.fps == pytest.approx(lasting, abs=0.05)
        assert f"at {30 if name == 'f30' else 60} per second" in printed


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("fps", [7.0, 12.0, 23.976, 29.97, 30.0, 48.0, 50.0])
def test_delays_are_rounded_so_that_the_speed_is_kept(tmp_path, suffix, fps):
    path = tmp_path / f"a{suffix}"
    write_animation(path, shades(25), fps)
    assert seconds(path) == pytest.approx(25 / fps, abs=0.006)


@pytest.mark.parametrize("fps", [50.0, 59.94, 60.0, 100.0, 120.0, 240.0])
def test_a_gif_of_a_fast_film_leaves_out_frames(tmp_path, fps):
    pose = Pose(torch.zeros(240, 18, 2), torch.ones(240, 18, dtype=torch.bool))
    frames, slower = _slow_down(PosedPhoto(pose, None), fps, most_fps(tmp_path / "a.gif"))
    assert slower <= 50
    assert len(frames.pose) / slower == pytest.approx(240 / fps, rel=0.02)
    same, speed = _slow_down(PosedPhoto(pose, None), fps, most_fps(tmp_path / "a.mp4"))
    assert speed == fps
    assert len(same.pose) == 240


def test_only_what_moves_has_a_speed(tmp_path):
    Image.fromarray(DOT).save(tmp_path / "a.png")
    for path in (tmp_path, tmp_path / "a.png"):
        assert Photos(path).fps is None
    write_animation(tmp_path / "b.webp", shades(5), 25.0)
    assert Photos(tmp_path / "b.webp").fps == pytest.approx(25)


MATRICES = {  # a, b, c, d: where the dot is shown, as (row, column), and the size
    "as stored": ((1, 0, 0, 1), (0, 0), (2, 3)),
    "mirrored": ((-1, 0, 0, 1), (0, 2), (2, 3)),
    "upside down, mirrored": ((1, 0, 0, -1), (1, 0), (2, 3)),
    "half a turn": ((-1, 0, 0, -1), (1, 2), (2, 3)),
    "turned right": ((0, 1, -1, 0), (0, 1), (3, 2)),
    "turned left": ((0, -1, 1, 0), (2, 0), (3, 2)),
    "transposed": ((0, 1, 1, 0), (0, 0), (3, 2)),
    "transposed the other way": ((0, -1, -1, 0), (2, 1), (3, 2)),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_display_matrices_turn_and_mirror(kind):
    (a, b, c, d), place, size = MATRICES[kind]
    one = 1 << 16
    matrix = np.array([a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30], np.int32)
    shown = turn(DOT, matrix)
    assert shown.shape[:2] == size
    assert tuple(np.argwhere(shown[..., 0])[0]) == place


@pytest.mark.parametrize("kind", MATRICES)
def test_a_film_is_shown_as_its_header_says(tmp_path, kind):
    (a, b, c, d), place, size = MATRICES[kind]
    picture = np.kron(DOT, np.ones((32, 32, 1), np.uint8))
    write_video(tmp_path / "a.mp4", [picture] * 3, 10.0)
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    start = content.index(b"tkhd") + 44
    one = 1 << 16
    values = [a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30]
    content[start : start + 36] = np.array(values, ">i4").tobytes()
    (tmp_path / "b.mp4").write_bytes(content)
    shown = next(iter(Video(tmp_path / "b.mp4"))).picture()
    assert shown.shape[:2] == (32 * size[0], 32 * size[1])
    bright = np.argwhere(shown[16::32, 16::32, 0] > 128)
    assert bright.tolist() == [list(place)]
