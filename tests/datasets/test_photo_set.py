"""How photos come to one size, and where their joints then are."""

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets.image_cache import load_images
from deformgan.datasets.photo_set import PhotoSet, fit_photos
from deformgan.errors import InputError
from deformgan.framing import Framing, find_framing
from deformgan.photo_file import photo_size
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)
PHOTOS = [(300, 200), (128, 64), (90, 220)]


@pytest.fixture
def paths(tmp_path):
    found = []
    for number, size in enumerate(PHOTOS):
        found.append(tmp_path / f"{number}.png")
        Image.fromarray(np.zeros((*size, 3), dtype=np.uint8)).save(found[-1])
    return found


@pytest.fixture
def poses(people):
    """Somebody in each photo, in the last one without a hip."""
    standing = people(3)
    joints = torch.stack(
        [
            standing.joints[row] * torch.tensor([width / 64, height / 128])
            for row, (height, width) in enumerate(PHOTOS)
        ]
    )
    visible = standing.visible.clone()
    visible[2, OPENPOSE18.index("left_hip")] = False
    return Pose(joints, visible)


@pytest.mark.parametrize("fit", ["stretch", "pad", "person"])
def test_the_pixel_under_a_joint_stays_under_it(paths, poses, fit):
    wrist = OPENPOSE18.index("left_wrist")
    for row, path in enumerate(paths):
        picture = np.zeros((*PHOTOS[row], 3), dtype=np.uint8)
        x, y = poses.joints[row, wrist].round().int().tolist()
        poses.joints[row, wrist] = torch.tensor([x, y])
        picture[y - 5 : y + 6, x - 5 : x + 6] = 255
        Image.fromarray(picture).save(path)
    size, framings, framed = fit_photos(paths, poses, SIZE, fit)
    assert size == SIZE
    images = load_images(paths, size, framings)[:, 0].double()
    columns, rows = torch.arange(64), torch.arange(128)
    total = images.sum(dim=(1, 2))
    found = torch.stack([(images.sum(1) * columns).sum(1), (images.sum(2) * rows).sum(1)], dim=1)
    torch.testing.assert_close(
        (found / total[:, None]).float(), framed.joints[:, wrist], atol=0.1, rtol=0
    )
    assert torch.equal(framed.visible, poses.visible)


def test_people_are_framed_as_for_a_generator_and_those_without_torso_padded(paths, poses):
    _, framings, _ = fit_photos(paths, poses, SIZE, "person")
    assert framings is not None
    for row in (0, 1):
        assert framings[row] == find_framing(poses[[row]], PHOTOS[row], SIZE, OPENPOSE18)
    assert framings[2] == Framing.padded(PHOTOS[2], SIZE)


def test_photos_of_the_size_are_not_framed_whatever_the_fit(paths, poses):
    for fit in ("exact", "stretch", "pad", "person"):
        size, framings, framed = fit_photos(paths[1:2], poses[[1]], None, fit)
        assert (size, framings) == (SIZE, None)
        assert torch.equal(framed.joints, poses.joints[[1]])


def test_exact_asks_for_the_size_of_the_first_or_the_given_one(paths, poses):
    assert fit_photos(paths, poses, None, "exact")[0] == PHOTOS[0]
    with pytest.raises(InputError, match=r"0.png is 300x200 pixels .* 128x64"):
        load_images(paths, *fit_photos(paths, poses, SIZE, "exact")[:2])


def test_a_photo_that_lies_on_its_side_is_measured_and_read_upright(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((40, 100, 3), dtype=np.uint8)).save(path, exif=exif)
    assert photo_size(path) == (100, 40)
    assert load_images([path], (100, 40)).shape == (1, 3, 100, 40)


def test_what_is_no_photo_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent.png does not exist"):
        photo_size(tmp_path / "absent.png")
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(InputError, match=r"text.png cannot be read"):
        photo_size(tmp_path / "text.png")


def test_images_are_decoded_once_and_only_when_asked_for(paths, poses):
    size, framings, framed = fit_photos(paths, poses, SIZE, "pad")
    data = PhotoSet(
        names=["a", "b", "c"],
        identities=["x", "x", "x"],
        cameras=torch.zeros(3, dtype=torch.int64),
        paths=paths,
        poses=framed,
        size=size,
        framings=framings,
    )
    assert data.pairs.tolist() == [[0, 1], [1, 0]]
    assert data.images.shape == (3, 3, *SIZE)
    for path in paths:
        path.unlink()
    assert data.images.shape == (3, 3, *SIZE)
