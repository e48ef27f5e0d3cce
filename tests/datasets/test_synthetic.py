"""Rendered people with masks, backgrounds and surfaces, where they are."""

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets.surfaces import NOTHING, write_surface
from deformgan.datasets.synthetic import Synthetic
from deformgan.errors import InputError
from deformgan.pose_formats import Annotations, write_annotation_csv

NAMES = ["0001_c1s1_000001_00.jpg", "0001_c2s1_000002_00.jpg", "0002_c1s1_000001_00.jpg"]


@pytest.fixture
def root(tmp_path, people):
    for folder, level, suffix in (
        ("bounding_box_train", 60, ".jpg"),
        ("masks", 200, ".png"),
        ("backgrounds", 90, ".jpg"),
    ):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(NAMES):
            mode = (128, 64) if folder == "masks" else (128, 64, 3)
            pixels = np.full(mode, level + number, dtype=np.uint8)
            Image.fromarray(pixels).save((tmp_path / folder / name).with_suffix(suffix))
    write_annotation_csv(tmp_path / "annotation.csv", Annotations(NAMES, people(3)))
    return tmp_path


def test_masks_and_backgrounds_belong_to_their_images(root):
    data = Synthetic(root)
    assert data.pairs.tolist() == [[0, 1], [1, 0]]
    assert data.images[:, 0, 5, 5].tolist() == [60, 61, 62]
    assert data.masks is not None
    assert data.masks.shape == (3, 128, 64)
    assert data.masks[:, 7, 7].tolist() == [200, 201, 202]
    assert data.backgrounds is not None
    assert data.backgrounds[:, 1, 7, 7].tolist() == [90, 91, 92]


def test_both_follow_the_images_to_another_size_and_into_the_cache(root, tmp_path):
    data = Synthetic(root, size=(64, 32), fit="stretch", cache=tmp_path / "cache")
    assert data.masks is not None
    assert data.masks.shape == (3, 64, 32)
    assert torch.equal(data.images[:, 0, 5, 5], torch.tensor([60, 61, 62], dtype=torch.uint8))
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_without_the_folders_it_is_markets_layout(root):
    for folder in ("masks", "backgrounds"):
        for path in (root / folder).iterdir():
            path.unlink()
        (root / folder).rmdir()
    data = Synthetic(root)
    assert data.masks is None
    assert data.backgrounds is None
    assert len(data) == 3


def test_a_picture_that_lacks_its_mask_is_named(root):
    (root / "masks" / NAMES[1]).with_suffix(".png").unlink()
    with pytest.raises(InputError, match=r"masks has no picture '0001_c2s1_000002_00'"):
        _ = Synthetic(root).masks


def with_surfaces(root, size=(128, 64)):
    (root / "surfaces").mkdir()
    for number, name in enumerate(NAMES):
        layer = torch.full(size, NOTHING, dtype=torch.uint8)
        layer[10:20, 5:9] = number
        place = torch.full((3, *size), 0.25 * number) * (layer != NOTHING)
        write_surface((root / "surfaces" / name).with_suffix(".npz"), place, layer)


def test_surfaces_belong_to_their_images(root):
    assert Synthetic(root).surfaces is None
    with_surfaces(root)
    data = Synthetic(root)
    assert data.surfaces is not None
    assert data.surfaces.place.shape == (3, 3, 128, 64)
    assert data.surfaces.place.dtype == torch.float16
    assert data.surfaces.layer[:, 12, 6].tolist() == [0, 1, 2]
    assert data.surfaces[2].place[:, 12, 6].tolist() == [0.5, 0.5, 0.5]
    assert data.surfaces[2].layer[30, 30] == NOTHING


def test_surfaces_are_read_at_their_own_size_only(root):
    with_surfaces(root)
    with pytest.raises(InputError, match=r"surface of 128x64 pixels.* read at 64x32"):
        _ = Synthetic(root, size=(64, 32), fit="stretch").surfaces


def test_a_picture_that_lacks_its_surface_is_named(root):
    with_surfaces(root)
    (root / "surfaces" / NAMES[1]).with_suffix(".npz").unlink()
    with pytest.raises(InputError, match=r"0001_c2s1_000002_00\.npz does not exist"):
        _ = Synthetic(root).surfaces
