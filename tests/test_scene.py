"""What is behind a person: smooth edges, emptied photos, places, blending, cut-outs."""

import numpy as np
import pytest
import torch

from deformgan.errors import InputError
from deformgan.framing import Framing
from deformgan.pose import Pose
from deformgan.scene import (
    cut_out,
    empty_photo,
    find_person,
    frame_smoothly,
    place_person,
    put_into,
    read_background,
)
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (96, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("paint", "paint"),
        ("source", "source"),
        ("none", "none"),
        ("#3080C0", (48, 128, 192)),
        (None, None),
    ],
)
def test_backgrounds_have_names_and_colours(given, found):
    assert read_background(given) == found


@pytest.mark.parametrize("given", ["blue", "#12345", "#12345g", "#1234567", ""])
def test_anything_else_that_is_no_file_is_refused(given):
    with pytest.raises(InputError, match="paint, source, none, a colour as #rrggbb"):
        read_background(given)


def test_a_photo_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png does not exist"):
        read_background(tmp_path / "gone.png")


def test_within_the_photo_nothing_changes(noise):
    framing = Framing(left=9.5, top=4.5, scale=1.0, size=(60, 50))
    np.testing.assert_array_equal(frame_smoothly(noise, framing), noise[5:65, 10:60])


def test_beyond_the_edges_there_are_no_streaks(noise):
    framing = Framing(left=-40.5, top=-0.5, scale=1.0, size=(96, 100))
    framed, streaked = frame_smoothly(noise, framing), framing.frame_photo(noise)
    np.testing.assert_array_equal(framed[:, 40:], noise[:, :60])
    # Along the edge, a column far outside varies as the border does if that is carried out.
    far = slice(0, 24)

    def vary(picture):
        return np.abs(np.diff(picture[:, far].astype(float), axis=0)).mean()

    assert vary(streaked) > 50
    assert vary(framed) < 3
    assert abs(framed[:, far].mean() - noise[:, :8].mean()) < 20


def test_a_smooth_photo_goes_on_smoothly_at_any_scale():
    photo = np.full((40, 40, 3), (200, 90, 30), np.uint8)
    for scale in (0.3, 1.0, 2.7):
        framing = Framing(left=-15.3, top=-20.8, scale=scale, size=(70, 90))
        assert np.abs(frame_smoothly(photo, framing).astype(int) - photo[0, 0]).max() <= 1


def test_a_matte_that_goes_with_the_pose_is_believed(people):
    pose = people(1)
    around = find_person(None, pose, OPENPOSE18, SIZE)
    body = torch.zeros(1, 1, *SIZE)
    body[..., 8:120, 18:48] = 1
    found = find_person(body, pose, OPENPOSE18, SIZE)
    assert (found >= (body[0] > 0.5)).all()
    assert not found[0, :, 0].any()
    # Half of everything, all, nothing, and the wrong place are not.
    wrong = torch.zeros(1, 1, *SIZE)
    wrong[..., :30, :10] = 1
    for matte in (torch.full((1, 1, *SIZE), 0.5), torch.ones(1, 1, *SIZE), 0 * body, wrong):
        assert find_person(matte, pose, OPENPOSE18, SIZE).equal(around)


def test_an_emptied_photo_shows_what_is_round_the_person():
    photo = np.full((300, 200, 3), (40, 120, 220), np.uint8)
    photo[115:195, 80:120] = (255, 0, 0)
    hole = torch.zeros(1, 50, 40, dtype=torch.bool)
    hole[:, 10:40, 8:32] = True  # of a box that is shown at a third: rows 110..199, columns 76..123
    box = Framing(left=59.5, top=79.5, scale=1.0, size=(150, 80))
    before = photo.copy()
    emptied = empty_photo(photo, hole, box)
    np.testing.assert_array_equal(photo, before)
    inside = emptied[115:195, 80:120].astype(int)
    assert np.abs(inside - (40, 120, 220)).max() <= 1
    emptied[80:230, 60:140] = photo[80:230, 60:140]
    np.testing.assert_array_equal(emptied, photo)


def test_a_photo_that_is_all_person_becomes_grey(noise):
    hole = torch.ones(1, 30, 30, dtype=torch.bool)
    emptied = empty_photo(noise, hole, Framing(left=-0.5, top=-0.5, scale=1.0, size=(96, 80)))
    assert np.abs(emptied.astype(int) - 127).max() <= 1


def test_hands_feet_and_gaps_belong_to_the_person(people):
    pose = people(1)
    body = torch.zeros(1, 1, *SIZE)
    body[..., 8:120, 18:48] = 1
    body[..., 60, 33] = 0  # seen through the person, as if it were behind them
    found = find_person(body, pose, OPENPOSE18, SIZE)[0]
    assert found[60, 33]
    unit = 35  # about
    for name in ("left_ankle", "right_wrist"):
        x, y = pose.joints[0, OPENPOSE18.index(name)].round().int().tolist()
        assert found[min(y + unit // 3, 127), x]


def test_a_person_who_keeps_their_pose_stays_where_they_are(people):
    framing = Framing(left=30.5, top=12.5, scale=0.5, size=SIZE)
    pose = people(1, hidden=0.0)
    photo_pose = Pose((pose.joints + 0.5) / 0.5 + torch.tensor([30.5, 12.5]), pose.visible)
    placed = place_person(photo_pose, pose, framing, OPENPOSE18)
    found = (placed.left, placed.top, placed.scale)
    assert found == pytest.approx((30.5, 12.5, 0.5), abs=1e-4)


def test_a_person_is_placed_by_their_bones_and_feet(people):
    # The framing enlarges somebody who crouches; bones, and the ground, say how much.
    pose = people(1)
    framing = Framing(left=-0.5, top=-0.5, scale=1.0, size=SIZE)
    larger = Pose(pose.joints * 1.3 + torch.tensor([3.0, -20.0]), pose.visible)
    placed = place_person(pose, larger, framing, OPENPOSE18)
    assert placed.scale == pytest.approx(1.3, rel=1e-5)
    moved = placed.frame_pose(pose).joints[0]
    torch.testing.assert_close(moved[:, 1].amax(), larger.joints[0, :, 1].amax())
    torso = OPENPOSE18.mandatory_joints
    torch.testing.assert_close(moved[torso, 0].mean(), larger.joints[0, torso, 0].mean())


def test_bones_that_are_out_of_all_proportion_are_limited(people):
    pose = people(1)
    framing = Framing(left=-0.5, top=-0.5, scale=1.0, size=SIZE)
    tiny = Pose(pose.joints * 0.1, pose.visible)
    assert place_person(pose, tiny, framing, OPENPOSE18).scale == 0.5


def test_a_person_is_blended_into_their_box_alone(noise):
    person = np.random.default_rng(1).integers(0, 256, (40, 30, 4), dtype=np.uint8)
    box = Framing(left=59.5, top=69.5, scale=1.0, size=(40, 30))
    blended = put_into(noise, person, box)
    seen, behind = person[:26, :20].astype(float), noise[70:, 60:]
    alpha = seen[..., 3:] / 255
    expected = alpha * seen[..., :3] + (1 - alpha) * behind
    np.testing.assert_allclose(blended[70:, 60:], expected, atol=0.51)
    blended[70:, 60:] = noise[70:, 60:]
    np.testing.assert_array_equal(blended, noise)


def test_a_cut_out_has_straight_alpha():
    person = torch.tensor([1.0, 0.0, -1.0])[None, :, None, None].expand(1, 3, 1, 3)
    matte = torch.tensor([0.0, 0.5, 1.0])[None, None, None]
    cut = cut_out(person, matte)[0, :, 0].T.tolist()
    assert cut == [[255, 128, 0, 0], [255, 128, 0, 128], [255, 128, 0, 255]]
