"""What a full disk cuts off is noticed by every writer, whichever library encodes."""

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.cli.animations import write_animation
from deformgan.cli.pictures import write_picture
from deformgan.files import write_image, write_safetensors
from deformgan.training.checkpoints import save_state
from tools.abuse.whole import find_damage

NOISE = np.random.default_rng(0).integers(0, 256, (96, 64, 3), dtype=np.uint8)


def movie(path):
    write_animation(path, [np.roll(NOISE, step, axis=0) for step in range(4)], 10.0)


WRITERS = {
    "a.jpg": lambda path: write_picture(path, NOISE),
    "a.png": lambda path: write_picture(path, NOISE),
    "a.bmp": lambda path: write_picture(path, NOISE),
    "a.webp": lambda path: write_picture(path, NOISE),
    "b.gif": lambda path: write_image(path, Image.fromarray(NOISE)),
    "c.gif": movie,
    "c.webp": movie,
    "a.pt": lambda path: save_state(path, {"a": torch.rand(5000), "b": [torch.rand(9)] * 9}),
    "a.safetensors": lambda path: write_safetensors(path, {"a": torch.rand(5000)}, {"b": "c"}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_whole_or_absent(largest_file, tmp_path, name):
    WRITERS[name](tmp_path / name)
    assert find_damage(tmp_path) == []
    length = (tmp_path / name).stat().st_size
    for size in (0, 40, 700, length // 2, length - 1):
        before = (tmp_path / name).read_bytes()
        with largest_file(size), pytest.raises(OSError, match="too large"):
            WRITERS[name](tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
        assert len(list(tmp_path.iterdir())) == 1
    with largest_file(2 * length):
        WRITERS[name](tmp_path / name)
    assert find_damage(tmp_path) == []


def test_a_film_is_whole_or_absent(largest_file, tmp_path):
    pytest.importorskip("av", reason="needs the extra 'video'")
    path = tmp_path / "a.mp4"
    movie(path)
    length = path.stat().st_size
    for size in (0, 40, 700, length // 2, length - 1):
        path.unlink(missing_ok=True)
        with largest_file(size), pytest.raises(OSError, match="too large"):
            movie(path)
        assert not list(tmp_path.iterdir())


def test_damage_is_found(tmp_path):
    for name, write in WRITERS.items():
        write(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    assert {line.partition(":")[0] for line in find_damage(tmp_path)} == set(WRITERS)
