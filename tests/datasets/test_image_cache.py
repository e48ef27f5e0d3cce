"""A file of decoded images answers its question or is made anew."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets import image_cache
from deformgan.datasets.image_cache import load_images
from deformgan.errors import InputError
from deformgan.framing import Framing

SIZE = (12, 8)


@pytest.fixture
def photos(tmp_path):
    """More photos than one chunk would hold, of noise."""
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number:02d}.png" for number in range(7)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (*SIZE, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture
def decodes(monkeypatch):
    """Count the photos that are decoded."""
    seen = []
    real = image_cache.read_photo
    monkeypatch.setattr(image_cache, "read_photo", lambda path: seen.append(path) or real(path))
    monkeypatch.setattr(image_cache, "_CHUNK", 3)
    return seen


def pillow(paths):
    return torch.stack([torch.from_numpy(np.array(Image.open(p))).permute(2, 0, 1) for p in paths])


def test_memory_and_file_hold_what_pillow_decodes_in_order(photos, tmp_path, decodes):
    expected = pillow(photos)
    assert torch.equal(load_images(photos, SIZE), expected)
    assert torch.equal(load_images(photos, SIZE, cache=tmp_path / "cache"), expected)
    assert len(decodes) == 14


def test_a_file_is_decoded_once_and_holds_the_pixels_page_aligned(photos, tmp_path, decodes):
    for _ in range(3):
        images = load_images(photos, SIZE, cache=tmp_path / "new" / "cache")
    assert len(decodes) == 7
    (file,) = (tmp_path / "new" / "cache").iterdir()  # and nothing is left beside it
    assert file.read_bytes()[4096 : 4096 + images.nbytes] == images.numpy().tobytes()


def test_changing_the_tensor_leaves_the_file(photos, tmp_path):
    images = load_images(photos, SIZE, cache=tmp_path)
    before = images.clone()
    images.zero_()
    assert torch.equal(load_images(photos, SIZE, cache=tmp_path), before)


def damage_pixel(file):
    content = bytearray(file.read_bytes())
    content[4096 + 100] ^= 1
    file.write_bytes(content)


def damage_sum(file):
    file.write_bytes(file.read_bytes()[:-1] + b"\0")


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(file.read_bytes() + b"\0"),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"no header at all"),
        lambda file: file.write_bytes(b"\xff" * file.stat().st_size),
        damage_pixel,
        damage_sum,
    ],
    ids=["short", "long", "empty", "text", "ones", "pixel", "sum"],
)
def test_a_broken_file_is_made_anew(photos, tmp_path, decodes, damage):
    cache = tmp_path / "cache"
    expected = load_images(photos, SIZE, cache=cache).clone()
    (file,) = cache.iterdir()
    damage(file)
    assert torch.equal(load_images(photos, SIZE, cache=cache), expected)
    assert len(decodes) == 14
    load_images(photos, SIZE, cache=cache)
    assert len(decodes) == 14


def test_a_changed_photo_is_noticed_even_at_equal_length(tmp_path):
    photo, cache = tmp_path / "a.bmp", tmp_path / "cache"
    for level in (10, 200):
        Image.fromarray(np.full((*SIZE, 3), level, dtype=np.uint8)).save(photo)
        os.utime(photo, ns=(0, level))
        assert load_images([photo], SIZE, cache=cache).unique().tolist() == [level]
    assert len(list(cache.iterdir())) == 1


def test_other_framings_or_another_size_are_another_question(photos, tmp_path):
    cache = tmp_path / "cache"
    plain = load_images(photos, SIZE, cache=cache).clone()
    shifted = [Framing(left=1.5, top=-0.5, scale=1.0, size=SIZE)] * 7
    framed = load_images(photos, SIZE, shifted, cache=cache)
    assert torch.equal(framed[..., :-2], plain[..., 2:])
    assert torch.equal(load_images(photos, SIZE, cache=cache), plain)
    small = [Framing.stretched(SIZE, (6, 4))] * 7
    assert load_images(photos, (6, 4), small, cache=cache).shape == (7, 3, 6, 4)
    assert len(list(cache.iterdir())) == 2


def test_what_cannot_be_read_or_written_is_named_and_nothing_is_left(photos, tmp_path):
    cache = tmp_path / "cache"
    photos[5].write_text("no image")
    with pytest.raises(InputError, match=r"05.png cannot be read"):
        load_images(photos, SIZE, cache=cache)
    assert not list(cache.iterdir())
    photos[5].unlink()
    with pytest.raises(InputError, match=r"05.png does not exist"):
        load_images(photos, SIZE, cache=cache)
    with pytest.raises(InputError, match="cannot be cached in"):
        load_images(photos[:5], SIZE, cache=photos[0])
