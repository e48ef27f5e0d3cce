"""Photos that are programs, too large, or of 16 bits."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deformgan.detectors.crop import cut_box
from deformgan.files import bundled
from deformgan.photo_file import read_photo
from tests.test_photo_file import png

TARGET = bundled("people/bounding_box_train/0001_c2s1_000001_00.jpg")


@pytest.mark.parametrize("name", ["photo.jpg", "loop.jpg"])
def test_21_a_photo_that_is_a_program_is_not_run(case, run, tmp_path, name):
    ran = Path("/tmp/deformgan-case-21")
    before = ran.exists()
    photo = case("21-photo-that-is-a-program") / name
    code, _, error = run("generate", photo, TARGET, "--out", tmp_path / "o.png")
    assert code == 2
    assert "cannot be read as an image: it is no JPEG" in error
    assert ran.exists() == before
    assert not (tmp_path / "o.png").exists()


def test_04_grey_of_16_bits_is_read_like_grey_of_8(case, run, tmp_path):
    folder = case("04-gray16")
    assert (read_photo(folder / "gray16.png") == read_photo(folder / "gray8.png")).all()
    tables = []
    for bits in (8, 16):
        assert run("pose", folder / f"gray{bits}.png", "--out", tmp_path / f"{bits}.csv")[0] == 0
        tables.append((tmp_path / f"{bits}.csv").read_text().replace(f"gray{bits}", "gray"))
    assert tables[0] == tables[1]
    assert "-1, -1, -1, -1, -1, -1" not in tables[0]
    code, _, _ = run("data", "check", folder / "set", "--json", tmp_path / "check.json")
    assert code == 0
    assert "equal-images" not in (tmp_path / "check.json").read_text()


@pytest.mark.parametrize(("name", "said"), [("big.jpg", "far outside"), ("wide.png", "too many")])
def test_23_what_would_take_all_memory_is_refused(case, run, tmp_path, name, said):
    folder = case("23-unbounded-memory")
    pose = ["--source-pose", folder / "pose.json"] if name == "big.jpg" else []
    code, _, error = run("generate", folder / name, TARGET, *pose, "--out", tmp_path / "o.png")
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_15_too_many_pixels_are_called_so(run, tmp_path):
    (tmp_path / "big.png").write_bytes(png(14000, 13000))
    code, _, error = run("pose", tmp_path / "big.png", "--out", tmp_path / "p.csv")
    assert code == 2
    assert "14000x13000" in error
    assert "too many pixels" in error


@pytest.mark.parametrize("factor", [-1e6, -300, 1e3, 1e5, 1e30])
def test_a_pose_far_outside_its_photo_is_refused(run, tmp_path, factor):
    joints = {
        "right_shoulder": (20, 30), "left_shoulder": (44, 30), "right_hip": (24, 70),
        "left_hip": (40, 70),
    }  # fmt: skip
    poses = {"a": {name: [x * factor, y * factor] for name, (x, y) in joints.items()}}
    (tmp_path / "p.json").write_text(json.dumps({"skeleton": "openpose18", "poses": poses}))
    words = ["--source-pose", tmp_path / "p.json", "--out", tmp_path / "o.png"]
    code, _, error = run("generate", TARGET, TARGET, *words)
    assert code == 2
    assert "far outside" in error


@pytest.mark.parametrize("shape", [(2, 49_000), (49_000, 3), (1, 30_000)])
@pytest.mark.parametrize("beyond", ["black", "edge"])
def test_a_long_photo_is_searched_with_little_memory(monkeypatch, shape, beyond):
    monkeypatch.setattr("deformgan.detectors.crop.MOST_PIXELS", 1_000_000)
    sizes = []
    crop = Image.Image.crop
    monkeypatch.setattr(
        Image.Image, "crop", lambda image, box: sizes.append(box) or crop(image, box)
    )
    photo = np.full((*shape, 3), 200, np.uint8)
    cut = cut_box(photo, None, (192, 192), beyond=beyond)
    assert cut.pixels.shape == (192, 192, 3)
    assert cut.width == pytest.approx(max(shape), rel=0.01)
    assert all((right - left) * (lower - upper) < 2e6 for left, upper, right, lower in sizes)


def test_a_reduced_crop_shows_the_same_part():
    ramp = np.zeros((60, 400, 3), np.uint8)
    ramp[..., 0] = np.arange(400) * 255 // 399
    whole = cut_box(ramp, (100.0, 0.0, 300.0, 59.0), (50, 50))
    from deformgan.detectors.crop import _cut_reduced

    reduced = _cut_reduced(ramp, (100.0, 0.0, 300.0, 59.0), (50, 50), 1.0, "black", 3)
    assert np.abs(whole.pixels.astype(int) - reduced.pixels)[18:32].max() <= 3
    for name in ("left", "top", "width", "height"):
        assert getattr(reduced, name) == pytest.approx(getattr(whole, name), abs=1e-6)
