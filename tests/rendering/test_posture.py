"""Tests of the postures that need no body."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

WITHOUT_THE_EXTRA = """
import sys
sys.modules["anny"] = None
from deformgan.errors import InputError
try:
    import deformgan.rendering
except InputError as error:
    print(error)
"""


def test_without_the_extra_the_error_says_how_to_get_it():
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTRA], capture_output=True, text=True, check=True
    )
    assert 'pip install "deformgan[synth]"' in run.stdout


@pytest.fixture
def posture():
    # Looked for, not imported: importing anny takes ten seconds, and no posture needs it.
    if find_spec("anny") is None or find_spec("numba") is None:
        pytest.skip("needs the extra 'synth': uv sync --extra synth")
    from deformgan.rendering import posture

    return posture


def test_a_walk_is_a_cycle(posture):
    for phase in (0.0, 0.13, 0.71):
        start, end = posture.walking(phase), posture.walking(phase + 1)
        for limb in ("right_leg", "left_leg", "right_arm", "left_arm"):
            before, after = (
                [angle for angle in vars(getattr(moment, limb)).values() if angle is not None]
                for moment in (start, end)
            )
            np.testing.assert_allclose(before, after, atol=1e-9)


def test_the_right_side_does_half_a_cycle_later_what_the_left_side_does(posture):
    for phase in np.linspace(0, 1, 9):
        now, later = posture.walking(phase), posture.walking(phase + 0.5)
        np.testing.assert_allclose(now.left_leg.forward, later.right_leg.forward, atol=1e-9)
        np.testing.assert_allclose(now.left_arm.forward, later.right_arm.forward, atol=1e-9)
        np.testing.assert_allclose(now.twist, -later.twist, atol=1e-9)


def test_a_walk_starts_with_the_left_heel_in_front_and_the_right_arm(posture):
    start = posture.walking(0.0)
    assert start.left_leg.forward > 20
    assert start.right_leg.forward < 0
    assert start.right_arm.forward > 0 > start.left_arm.forward


def test_the_cycle_goes_through_its_table(posture):
    for tenth, degrees in enumerate(posture._KNEE):
        np.testing.assert_allclose(posture._cycle(posture._KNEE, tenth / 10), degrees, atol=1e-9)


def test_the_same_seed_is_the_same_posture_and_people_look_everywhere(posture):
    first, again = (posture.sample_posture(np.random.default_rng(4)) for _ in range(2))
    assert first == again
    random = np.random.default_rng(0)
    drawn = [posture.sample_posture(random) for _ in range(400)]
    quarters = np.histogram([p.heading for p in drawn], bins=4, range=(-180, 180))[0]
    assert quarters.min() > 60
    assert 10 < sum(p.holds_phone for p in drawn) < 150
    for p in drawn:  # within what joints can do
        assert 0 <= p.left_leg.knee < 90
        assert -20 < p.right_arm.elbow < 160
        assert abs(p.head_turn) < 85


def test_active_people_raise_their_arms_and_spread_their_legs(posture):
    random = np.random.default_rng(0)
    street = posture.walking(0.0)
    drawn = [posture.sample_active(street, random) for _ in range(400)]
    arms = [arm for one in drawn for arm in (one.right_arm, one.left_arm)]
    raised = [arm.outward > 90 for arm in arms]
    assert 0.25 < np.mean(raised) < 0.6
    assert 0.1 < np.mean([all(pair) for pair in np.reshape(raised, (-1, 2))]) < 0.4
    assert 0.2 < np.mean([one.left_leg == street.left_leg for one in drawn]) < 0.5
    for one in drawn:  # within what joints can do
        for leg in (one.right_leg, one.left_leg):
            assert -40 < leg.forward < 100
            assert 0 <= leg.knee < 115
        assert not one.holds_phone
