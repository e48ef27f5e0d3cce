"""PoseTransfer and its framing."""

import numpy as np
import pytest
import torch

from deformgan.checkpoint import save_generator
from deformgan.errors import InputError
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.pose import Pose
from deformgan.predict import Framing, PoseTransfer, find_framing, is_framed, to_image, to_photo
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)
TINY = GeneratorConfig(
    encoder_widths=(4, 4, 4, 4, 4, 4),
    decoder_widths=(4, 4, 4, 4, 4),
    upsampling="resize",
    blend=True,
)


@pytest.fixture
def transfer():
    torch.manual_seed(1)
    return PoseTransfer(Generator(TINY).eval(), SIZE)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def test_bytes_survive_the_way_to_an_image_and_back():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    np.testing.assert_array_equal(to_photo(to_image(levels)[0]), levels)


def test_a_photo_of_the_models_size_is_taken_whole(people, photo):
    framing = find_framing(people(1), SIZE, SIZE, OPENPOSE18)
    assert framing == Framing(left=-0.5, top=-0.5, scale=1.0, size=SIZE)
    np.testing.assert_array_equal(framing.frame_photo(photo), photo)
    pose = people(1)
    torch.testing.assert_close(framing.frame_pose(pose).joints, pose.joints)


def test_a_joint_stays_on_the_same_spot_of_the_photo(people):
    # White squares at three joints of a large photo must lie at the framed joints.
    large = Pose(people(1).joints * 4 + 150, people(1).visible)
    framing = find_framing(large, (900, 700), SIZE, OPENPOSE18)
    for joint in (4, 8, 13):
        picture = np.zeros((900, 700, 3), np.uint8)
        x, y = large.joints[0, joint].round().int().tolist()
        picture[y - 6 : y + 7, x - 6 : x + 7] = 255
        framed = framing.frame_photo(picture)[..., 0].astype(float)
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        centre = [(framed * axis).sum() / framed.sum() for axis in (columns, rows)]
        expected = framing.frame_pose(Pose(torch.tensor([[[x, y]]]).float(), torch.ones(1, 1) > 0))
        np.testing.assert_allclose(centre, expected.joints[0, 0].numpy(), atol=0.05)


def test_the_framed_body_stands_where_bodies_of_pedestrian_photos_stand(people):
    large = Pose(people(1).joints * 3 + 40, people(1).visible)
    framed = find_framing(large, (600, 400), SIZE, OPENPOSE18).frame_pose(large)
    low, high = framed.joints[0].amin(dim=0), framed.joints[0].amax(dim=0)
    assert 5 < low[1] < 20
    assert 105 < high[1] < 122
    assert abs((low[0] + high[0]) / 2 - 31.5) < 0.01


def test_a_photo_beside_the_frame_goes_on_beyond_its_edges(photo):
    framing = Framing(left=-20.5, top=-0.5, scale=1.0, size=SIZE)
    framed = framing.frame_photo(photo)
    np.testing.assert_array_equal(framed[:, :20], photo[:, :1].repeat(20, axis=1))
    np.testing.assert_array_equal(framed[:, 20:], photo[:, :44])


def test_poses_without_a_photo_count_as_framed_if_they_fill_the_frame(people):
    pose = people(1)
    assert is_framed(pose, None, SIZE)
    assert not is_framed(Pose(pose.joints * 4, pose.visible), None, SIZE)
    assert not is_framed(Pose(pose.joints / 3, pose.visible), None, SIZE)


def test_one_picture_equals_the_same_frame_of_an_animation(transfer, photo, people):
    poses = people(5)
    frames = list(transfer.animate(photo, people(1), poses, SIZE, batch_size=2))
    for place, frame in enumerate(frames):
        alone = transfer(photo, people(1), poses[[place]], SIZE)
        assert alone.shape == (*SIZE, 3)
        # One grey level: batches may round differently.
        assert np.abs(alone.astype(int) - frame.astype(int)).max() <= 1


def test_the_same_call_gives_the_same_bytes(transfer, photo, people):
    first, second = (transfer(photo, people(1), people(1, seed=3), SIZE) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_noise_is_drawn_from_its_seed(transfer, photo, people):
    pictures = [transfer(photo, people(1), people(1), SIZE, noise_seed=s) for s in (1, 1, 2)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (pictures[0] != pictures[2]).any()


@pytest.mark.parametrize("whose", ["source", "target"])
def test_a_pose_without_torso_is_refused_and_the_joint_named(transfer, photo, people, whose):
    hip = OPENPOSE18.index("left_hip")
    good, visible = people(1), people(1).visible.clone()
    visible[:, hip] = False
    poor = Pose(good.joints, visible)
    poses = (poor, good) if whose == "source" else (good, poor)
    with pytest.raises(InputError, match=f"The {whose} pose lacks left_hip"):
        transfer(photo, *poses, SIZE)


def test_weights_without_a_size_are_refused(tmp_path):
    save_generator(tmp_path / "w.safetensors", Generator(TINY), {})
    with pytest.raises(InputError, match="lack the image size"):
        PoseTransfer.load(tmp_path / "w.safetensors")
