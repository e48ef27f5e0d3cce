"""What part of a photo is shown, and where its joints come to lie."""

import numpy as np
import pytest
import torch

from deformgan.framing import (
    FEET_BELOW_HIPS,
    HEAD_ABOVE_SHOULDERS,
    Framing,
    find_framing,
    is_framed,
    rows_of_photo,
)
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


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


@pytest.mark.parametrize("photo_size", [(300, 90), (90, 300), (128, 64)])
def test_a_padded_photo_is_whole_in_the_middle_and_in_proportion(photo_size):
    framing = Framing.padded(photo_size, SIZE)
    height, width = photo_size
    corners = torch.tensor([[[-0.5, -0.5], [width - 0.5, height - 0.5]]])
    framed = framing.frame_pose(Pose(corners, torch.ones(1, 2, dtype=torch.bool))).joints[0]
    low, high = framed.tolist()
    # The photo touches two opposite edges of the image and is as far from the other two.
    assert low[0] + high[0] == pytest.approx(SIZE[1] - 1)
    assert low[1] + high[1] == pytest.approx(SIZE[0] - 1)
    assert min(low) == pytest.approx(-0.5)
    assert (high[1] - low[1]) / (high[0] - low[0]) == pytest.approx(height / width)


def test_a_stretched_photo_fills_the_image_to_its_edges():
    framing = Framing.stretched((300, 90), SIZE)
    corners = torch.tensor([[[-0.5, -0.5], [89.5, 299.5]]])
    framed = framing.frame_pose(Pose(corners, torch.ones(1, 2, dtype=torch.bool)))
    torch.testing.assert_close(framed.joints, torch.tensor([[[-0.5, -0.5], [63.5, 127.5]]]))
    # Columns that are dark and bright by halves stay so: nothing outside of the photo is shown.
    picture = np.zeros((300, 90, 3), np.uint8)
    picture[:, 45:] = 200
    shown = framing.frame_photo(picture)
    assert (shown[:, :30] == 0).all()
    assert (shown[:, 34:] == 200).all()


def test_two_framings_one_after_the_other_are_one():
    outer = Framing(left=12.25, top=-3.0, scale=0.4, size=(90, 70), stretch=1.3)
    inner = Framing(left=4.5, top=8.0, scale=1.5, size=SIZE, stretch=0.7)
    pose = Pose(torch.rand(3, 18, 2) * 200, torch.ones(3, 18, dtype=torch.bool))
    both = outer.then(inner)
    assert both.size == SIZE
    expected = inner.frame_pose(outer.frame_pose(pose))
    torch.testing.assert_close(both.frame_pose(pose).joints, expected.joints)


def test_head_and_feet_that_are_not_seen_are_left_room_for(people):
    pose = Pose(people(1).joints * 4 + 150, people(1).visible.clone())
    hidden = ("nose", "right_eye", "left_eye", "right_ear", "left_ear", "right_ankle", "left_ankle")
    pose.visible[:, OPENPOSE18.indices(hidden)] = False
    framed = find_framing(pose, (900, 700), SIZE, OPENPOSE18).frame_pose(pose)
    rows = framed.joints[0, :, 1]
    shoulders = rows[OPENPOSE18.indices(["right_shoulder", "left_shoulder"])].mean()
    hips = rows[OPENPOSE18.indices(["right_hip", "left_hip"])].mean()
    # Where pedestrians of that torso have them: in rows 10 and 115.
    assert shoulders - HEAD_ABOVE_SHOULDERS * (hips - shoulders) == pytest.approx(10, abs=0.01)
    assert hips + FEET_BELOW_HIPS * (hips - shoulders) == pytest.approx(115, abs=0.01)


def test_rows_beyond_the_photo_go_where_it_cuts_off_head_or_feet(people):
    pose = Pose(people(1).joints * 4 + 150, people(1).visible.clone())
    head = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
    feet = ("right_ankle", "left_ankle")

    def rows(hidden, photo_size, shift=0.0):
        visible = pose.visible.clone()
        visible[:, OPENPOSE18.indices(hidden)] = False
        shown = Pose(pose.joints - torch.tensor([0.0, shift]), visible)
        framing = find_framing(shown, photo_size, SIZE, OPENPOSE18)
        first, last = rows_of_photo(shown, photo_size, framing, OPENPOSE18)
        height = framing.shown[0]
        return first * height + framing.top, last * height + framing.top, first, last

    tall, short = (900, 700), (500, 700)
    assert rows((), short)[2:] == (0, 1)  # the feet are seen: the scene goes on
    assert rows(feet, tall)[2:] == (0, 1)  # hidden, but not by the edge
    first, bottom, _, _ = rows(feet, short)
    assert bottom == pytest.approx(499.5)
    top, _, first, last = rows(head, tall, shift=200.0)
    assert top == pytest.approx(-0.5)
    assert 0 < first < last == 1
    # Next to nothing would remain.
    assert rows(feet, (210, 700))[2:] == (0, 1)


def test_the_same_part_can_be_shown_at_another_size():
    framing = Framing(left=12.25, top=-3.0, scale=0.4, size=SIZE, stretch=1.3)
    other = framing.at((301, 77))
    assert other.shown == pytest.approx(framing.shown)
    pose = Pose(torch.rand(2, 18, 2) * 200, torch.ones(2, 18, dtype=torch.bool))
    scale = torch.tensor([77 / 64, 301 / 128])
    expected = (framing.frame_pose(pose).joints + 0.5) * scale - 0.5
    torch.testing.assert_close(other.frame_pose(pose).joints, expected)


def test_a_wider_framing_keeps_its_middle_and_scale():
    framing = Framing(left=12.25, top=-3.0, scale=0.4, size=(100, 60), stretch=1.3)
    wide = framing.widened(0.15)
    assert (wide.size, wide.scale, wide.stretch) == ((130, 78), 0.4, 1.3)
    for before, after, edge in ((framing.left, wide.left, 1), (framing.top, wide.top, 0)):
        middle = before + framing.shown[edge] / 2
        assert after + wide.shown[edge] / 2 == pytest.approx(middle)


def test_of_a_framing_beyond_the_edges_some_may_be_within():
    framing = Framing(left=49.5, top=-20.5, scale=1.0, size=(60, 60))
    assert framing.within(SIZE) == Framing(left=49.5, top=-0.5, scale=1.0, size=(40, 14))
    assert framing.within((128, 50)) is None


def test_whole_pixels_are_those_of_the_photo(photo):
    framing = Framing(left=3.3, top=10.9, scale=3.1, size=SIZE).whole_pixels()
    assert framing == Framing(left=3.5, top=10.5, scale=1.0, size=(41, 21))
    np.testing.assert_array_equal(framing.frame_photo(photo), photo[11:52, 4:25])


@pytest.mark.parametrize(
    ("left", "top", "inside"),
    [(-0.5, -0.5, True), (3.5, 27.5, True), (-1.0, 0.0, False), (4.0, 0.0, False)],
)
def test_a_framing_knows_whether_it_shows_more_than_the_photo(left, top, inside):
    assert Framing(left, top, 1.0, (100, 60)).inside(SIZE) == inside
