"""PoseTransfer and its framing."""

import numpy as np
import pytest
import torch

from deformgan.checkpoint import save_generator
from deformgan.errors import InputError
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.pose import Pose
from deformgan.predict import PoseTransfer, to_image, to_photo
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
