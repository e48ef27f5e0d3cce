"""The poses of an animation, against scipy's filter and by what must not change."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.signal import savgol_filter

from deformgan.datasets.bundled_people import bundled_people, bundled_walk
from deformgan.detectors import DETECTORS, Detection
from deformgan.errors import InputError
from deformgan.inputs import PosedPhoto, read_frames, read_source
from deformgan.motion import bridge, follow, hold_still, smooth, steady
from deformgan.parts import unit_length
from deformgan.pose import Pose
from deformgan.predict import PoseTransfer
from deformgan.skeletons.openpose18 import OPENPOSE18

TORSO = OPENPOSE18.mandatory_joints


def walk(num_frames: int, step: float = 0.0) -> Pose:
    """Return a jittering body that moves `step` pixels to the right per frame."""
    random = torch.Generator().manual_seed(0)
    body = torch.rand(1, 18, 2, generator=random) * 60
    along = step * torch.arange(num_frames)[:, None, None] * torch.tensor([1.0, 0.0])
    tremble = torch.randn(num_frames, 18, 2, generator=random)
    return Pose(body + along + tremble, torch.ones(num_frames, 18, dtype=torch.bool))


@pytest.mark.parametrize(("num_frames", "window", "degree"), [(30, 5, 2), (30, 25, 1), (5, 5, 2)])
def test_smoothing_equals_scipys_savitzky_golay_filter(num_frames, window, degree):
    values = walk(num_frames).joints
    expected = savgol_filter(values.double().numpy(), window, degree, axis=0, mode="interp")
    np.testing.assert_allclose(smooth(values, window, degree).numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_very_short_animations_are_left_alone(num_frames):
    values = walk(num_frames).joints
    torch.testing.assert_close(smooth(values, 5, degree=2), values)


def test_smoothing_takes_the_tremble_out_and_leaves_the_movement():
    frames = walk(60, step=3.0)
    calm = steady(frames, OPENPOSE18).joints
    middle = frames.joints.mean(dim=0, keepdim=True)
    path = middle + 3.0 * (torch.arange(60) - 29.5)[:, None, None] * torch.tensor([1.0, 0.0])
    assert (calm - path).std() < 0.75 * (frames.joints - path).std()
    assert (calm - path).mean().abs() < 0.05


def rounds(num_rounds: int) -> Pose:
    """Return the bundled walk, round after round: its end joins its start."""
    walk = bundled_walk()
    return Pose.cat([walk] * num_rounds)


def trembling(frames: Pose, pixels: float = 0.5) -> Pose:
    random = torch.Generator().manual_seed(0)
    tremble = pixels * torch.randn(frames.joints.shape, generator=random)
    return Pose(frames.joints + tremble, frames.visible)


def test_who_stands_still_is_held_still():
    still = Pose.cat([bundled_walk()[[0]]] * 60)
    torch.testing.assert_close(steady(still, OPENPOSE18).joints, still.joints)  # no tremble: exact

    def steps(frames):
        return frames.joints.diff(dim=0)[:, still.visible[0]].norm(dim=2).mean()

    seen = trembling(still)
    before = Pose(smooth(seen.joints, 5, degree=2), seen.visible)  # without any resting
    assert steps(seen) > 0.8
    assert steps(before) > 0.35
    assert steps(steady(seen, OPENPOSE18)) < 0.12


def test_a_walk_is_left_intact_and_does_not_lag():
    walk = rounds(4)
    calm = steady(walk, OPENPOSE18)
    seen = walk.visible.all(dim=0)
    error = (calm.joints - walk.joints)[:, seen].norm(dim=2)
    assert error.square().mean().sqrt() < 0.25  # pixels of a photo of 128 rows
    assert error.max() < 1
    # The shift at which the two are most alike, by parabola, in frames.
    ankle = OPENPOSE18.index("right_ankle")
    path, followed = (p.joints[24:72, ankle, 0].double() for p in (walk, calm))
    whole = walk.joints[:, ankle, 0].double()
    apart = [(whole[24 + shift : 72 + shift] - followed).square().sum() for shift in (-1, 0, 1)]
    lag = (apart[0] - apart[2]) / (2 * (apart[0] - 2 * apart[1] + apart[2]))
    assert path.std() > 2
    assert abs(lag) < 0.1
    # Trembling, it is nearer to the truth than it was seen, and no further than by a plain fit.
    seen_so = trembling(walk)
    plain = smooth(seen_so.joints, 5, degree=2)

    def rms(joints):
        return (joints - walk.joints)[:, seen].square().sum(dim=2).mean().sqrt()

    assert rms(steady(seen_so, OPENPOSE18).joints) < 1.05 * rms(plain) < 0.8 * rms(seen_so.joints)


def test_strength_goes_from_nothing_to_a_straight_fit():
    frames = trembling(rounds(2))
    untouched = steady(frames, OPENPOSE18, 0.0)
    torch.testing.assert_close(untouched.joints[frames.visible], frames.joints[frames.visible])
    unit = unit_length(frames, OPENPOSE18).median().item()
    rest = smooth(frames.joints, 17, degree=1)
    torch.testing.assert_close(hold_still(frames.joints, 1e3 * unit), rest)
    moving = smooth(frames.joints, 5, degree=2)
    torch.testing.assert_close(hold_still(frames.joints, 1e-6), moving)


@pytest.mark.slow
def test_equal_poses_are_equal_pictures_and_a_tremble_hardly_flickers(layered_weights):
    view = bundled_people()[0][0]
    still = Pose.cat([bundled_walk()[[0]]] * 24)
    flickers = []
    for weights in ("pedestrian-base", layered_weights):
        transfer = PoseTransfer.from_pretrained(weights)

        def film(poses, transfer=transfer):
            people, wanted = [read_source(view.photo, view.pose)], PosedPhoto(poses, (128, 64))
            frames = transfer.generate(people, wanted, batch_size=24)
            return np.stack(list(frames)).astype(float)

        assert np.abs(np.diff(film(steady(still, OPENPOSE18)), axis=0)).max() <= 1
        seen = trembling(still)
        ways = (seen, steady(seen, OPENPOSE18))
        flickers.append([np.abs(np.diff(film(way), axis=0)).mean() for way in ways])
    print("mean absolute frame difference, grey levels:", flickers)
    for before, after in flickers:
        assert after < 0.35 * before


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    frames = walk(40, step=3.0)
    frames.visible[10:16, 4] = False
    frames.visible[20:27, 4] = False
    frames.visible[36:, 4] = False
    frames.joints[~frames.visible] = 1e6
    bridged = bridge(frames, 6)
    x = frames.joints[:, 4].clone()
    for frame in range(10, 16):
        share = (frame - 9) / (16 - 9)
        expected = (1 - share) * x[9] + share * x[16]
        torch.testing.assert_close(bridged.joints[frame, 4], expected)
    assert bridged.visible[10:16, 4].all()
    assert not bridged.visible[20:27, 4].any()
    assert not bridged.visible[36:, 4].any()
    kept = frames.visible
    torch.testing.assert_close(bridged.joints[kept], frames.joints[kept])
    # What is not bridged stays where it was last seen.
    filled = steady(frames, OPENPOSE18, 0.0)
    torch.testing.assert_close(filled.joints[20:27, 4], x[19].expand(7, 2))
    assert filled.visible.all()


def test_following_keeps_a_passer_by_in_place_and_the_pose_as_it_was():
    frames = walk(40, step=12.0)
    followed = follow(frames, OPENPOSE18)
    middle = followed.joints[:, TORSO].mean(dim=1)
    assert (middle.amax(dim=0) - middle.amin(dim=0)).max() < 5
    posture, before = (pose.joints - pose.joints[:, :1] for pose in (followed, frames))
    torch.testing.assert_close(posture, before, atol=1e-3, rtol=0)


def test_a_joint_missed_by_one_frame_is_filled_and_one_never_seen_stays_missing():
    frames = walk(12)
    frames.visible[6, 4] = False
    frames.joints[6, 4] = 1e6  # carries no meaning, so it must not be felt
    frames.visible[:, 7] = False
    filled = steady(frames, OPENPOSE18)
    assert len(filled) == 12
    assert filled.visible[:, 4].all()
    assert filled.joints[:, 4].max() < 100
    assert not filled.visible[:, 7].any()


def test_a_joint_that_comes_late_does_not_pull_at_earlier_frames():
    frames = walk(12)
    frames.visible[:5, 4] = False
    frames.joints[:5, 4] = 1e6
    filled = steady(frames, OPENPOSE18)
    assert not filled.visible[:5, 4].any()
    assert filled.joints[5:, 4].max() < 100


def test_frames_without_anybody_and_a_start_without_torso_are_dropped():
    frames = walk(10)
    frames.visible[4] = False
    frames.visible[:2, TORSO[0]] = False
    assert len(steady(frames, OPENPOSE18)) == 7
    nobody = Pose(frames.joints, torch.zeros_like(frames.visible))
    assert len(steady(nobody, OPENPOSE18)) == 0


def test_a_film_keeps_its_time():
    frames = walk(10)
    frames.visible[4] = False
    frames.visible[:2, TORSO[0]] = False
    frames.visible[8:] = False
    kept = steady(frames, OPENPOSE18, 0.0, keep_time=True)
    assert len(kept) == 10
    torch.testing.assert_close(kept.joints[0], kept.joints[2])  # held until the torso is seen
    between = (frames.joints[3] + frames.joints[5]) / 2
    torch.testing.assert_close(kept.joints[4], between)
    torch.testing.assert_close(kept.joints[9], frames.joints[7])
    nobody = Pose(frames.joints, torch.zeros_like(frames.visible))
    assert len(steady(nobody, OPENPOSE18, keep_time=True)) == 0


class _WhiteSpot:
    """A detector for tests: all joints at the one white pixel; in a black photo there is nobody."""

    def __call__(self, image, box=None):
        rows, columns = image[..., 0].nonzero()
        if len(rows) == 0:
            return Detection(walk(1), torch.zeros(18))
        spot = torch.tensor([columns[0], rows[0]]).float()
        return Detection(Pose(spot.expand(1, 18, 2), walk(1).visible), torch.ones(18))


@pytest.fixture(autouse=True)
def white_spot(monkeypatch):
    """Register the detector above."""
    monkeypatch.setitem(DETECTORS, "white_spot", lambda path: _WhiteSpot())


def write_photo(path, column, size=(20, 30)):
    photo = np.zeros((*size, 3), np.uint8)
    if column is not None:
        photo[5, column] = 255
    Image.fromarray(photo).save(path)


def test_photos_are_frames_in_the_order_of_their_numbers(tmp_path):
    for number in (9, 10, 2):
        write_photo(tmp_path / f"frame{number}.png", column=number)
    write_photo(tmp_path / "frame11.png", column=None)
    seen = read_frames(tmp_path, "white_spot")
    assert seen.size == (20, 30)
    assert seen.pose.joints[:3, 0, 0].tolist() == [2, 9, 10]
    assert seen.pose.visible.all(dim=1).tolist() == [True, True, True, False]


def test_a_folder_of_openpose_files_is_one_frame_per_file(tmp_path):
    for number, people in ((2, 1), (10, 1), (11, 0)):
        person = {"pose_keypoints_2d": [number, 1.0, 0.9] * 18}
        name = tmp_path / f"film_{number}_keypoints.json"
        name.write_text(json.dumps({"people": [person] * people}))
    seen = read_frames(tmp_path, "pose18")
    assert seen.size is None
    assert seen.pose.joints[:2, 0, 0].tolist() == [2, 10]
    assert seen.pose.visible.all(dim=1).tolist() == [True, True, False]


def test_frames_of_two_sizes_are_refused(tmp_path):
    write_photo(tmp_path / "a.png", column=1)
    write_photo(tmp_path / "b.png", column=1, size=(20, 31))
    with pytest.raises(InputError, match=r"b\.png is 31x20"):
        read_frames(tmp_path, "white_spot")


def test_what_is_no_frames_is_refused_with_what_is_allowed(tmp_path):
    with pytest.raises(InputError, match="do not exist"):
        read_frames(tmp_path / "nowhere", "pose18")
    with pytest.raises(InputError, match="neither photos"):
        read_frames(tmp_path, "pose18")
    write_photo(tmp_path / "a.png", column=1)
    with pytest.raises(InputError, match="movenet:PATH"):
        read_frames(tmp_path, "movenet")
