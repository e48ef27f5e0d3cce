"""Surfaces as files: exact to half precision, the same bytes each time, damage named."""

import numpy as np
import pytest
import torch

from deformgan.datasets.surfaces import NOTHING, SurfaceSet, read_surface, write_surface
from deformgan.errors import InputError


def drawn(size=(20, 12), seed=0):
    random = torch.Generator().manual_seed(seed)
    place = torch.rand(3, *size, generator=random) * 2 - 1
    layer = torch.randint(0, 11, size, generator=random, dtype=torch.uint8)
    layer[:3] = NOTHING
    return place * (layer != NOTHING), layer


def test_what_was_written_is_read_to_half_a_millimetre(tmp_path):
    place, layer = drawn()
    write_surface(tmp_path / "a.npz", place, layer)
    found = read_surface(tmp_path / "a.npz")
    assert torch.equal(found.layer, layer)
    assert (found.place - place).abs().max() < 0.0005
    assert torch.equal(found.place, place.half().float())
    with np.load(tmp_path / "a.npz") as arrays:  # as anybody would read it
        assert arrays["place"].dtype == np.float16
        assert arrays["place"].shape == (20, 12, 3)
        assert arrays["layer"].dtype == np.uint8
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_the_same_surface_is_the_same_bytes_whatever_the_hour(tmp_path, monkeypatch):
    import time

    write_surface(tmp_path / "a.npz", *drawn())
    later = time.time() + 1e8
    monkeypatch.setattr(time, "time", lambda: later)
    write_surface(tmp_path / "b.npz", *drawn())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_file_that_is_cut_off_or_changed_anywhere_is_named_or_the_same(tmp_path):
    path = tmp_path / "a.npz"
    write_surface(path, *drawn())
    whole, data = read_surface(path), path.read_bytes()
    broken = [data[:length] for length in (0, 1, 30, len(data) // 2, len(data) - 1)]
    random = np.random.default_rng(0)
    for _ in range(150):
        changed = bytearray(data)
        changed[random.integers(len(data))] ^= int(random.integers(1, 256))
        broken.append(bytes(changed))
    named = []
    for content in broken:
        path.write_bytes(content)
        try:
            found = read_surface(path)
        except InputError as error:
            named.append(str(error))
        else:  # what was changed is not part of the numbers, such as a date
            assert torch.equal(found.place, whole.place)
            assert torch.equal(found.layer, whole.layer)
    assert len(named) > 120
    assert all(str(path) in line for line in named)


@pytest.mark.parametrize(
    ("place", "layer", "words"),
    [
        (np.zeros((4, 5, 3), np.float32), np.zeros((4, 5), np.uint8), "place float32"),
        (np.zeros((4, 6, 3), np.float16), np.zeros((4, 5), np.uint8), r"\(4, 6, 3\)"),
        (np.zeros((4, 5, 3), np.float16), np.zeros((4, 5), np.int64), "layer int64"),
    ],
)
def test_arrays_of_another_kind_are_refused(place, layer, words, tmp_path):
    np.savez(tmp_path / "a.npz", place=place, layer=layer)
    with pytest.raises(InputError, match=words):
        read_surface(tmp_path / "a.npz")


def test_a_file_of_other_content_and_one_that_is_not_there_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", other=np.zeros(3))
    np.save(tmp_path / "b.npy", np.zeros(3))
    for name, words in (
        ("a.npz", "is not a surface"),
        ("b.npy", "is not a"),
        ("c", "does not exist"),
    ):
        with pytest.raises(InputError, match=words):
            read_surface(tmp_path / name)


def test_a_set_has_its_files_in_order_and_one_size(tmp_path):
    paths = [tmp_path / f"{seed}.npz" for seed in range(3)]
    for seed, path in enumerate(paths):
        write_surface(path, *drawn(seed=seed))
    found = SurfaceSet.read(paths[::-1], (20, 12))
    for row, path in enumerate(paths[::-1]):
        one = read_surface(path)
        assert torch.equal(found[row].place, one.place)
        assert torch.equal(found[row].layer, one.layer)
    with pytest.raises(InputError, match=r"0\.npz is a surface of 20x12 pixels.* read at 10x6"):
        SurfaceSet.read(paths, (10, 6))
