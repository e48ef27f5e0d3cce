"""Four-legged animals: exact joints, markings that move along, the same picture every time."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

if find_spec("anny") is None or find_spec("numba") is None:
    pytest.skip("needs the extra 'synth': uv sync --extra synth", allow_module_level=True)

from deformgan.cli.main import main
from deformgan.datasets import open_dataset
from deformgan.rendering.animals.anatomy import BUILDS
from deformgan.rendering.animals.body import QUADRUPED20, move
from deformgan.rendering.animals.picture import (
    render_animals,
    sample_animal_shot,
    sample_individual,
)
from deformgan.rendering.animals.stance import STANDING, Stance, sample_stance

SIZE = (64, 96)


def shots(number, views=3):
    individual = sample_individual(number)
    return [sample_animal_shot(individual, 0, view) for view in range(views)]


@pytest.mark.parametrize("kind", BUILDS)
def test_every_kind_stands_on_its_feet_with_its_legs_in_order(kind):
    body = move(BUILDS[kind])
    at = dict(zip(QUADRUPED20.joints, body.joints, strict=True))
    assert body.vertices[:, 2].min() == pytest.approx(0)
    for side, sign in (("left", 1), ("right", -1)):
        for upper, middle, paw in (
            ("shoulder", "elbow", "front_paw"),
            ("hip", "knee", "back_paw"),
        ):
            heights = [at[f"{side}_{name}"][2] for name in (upper, middle, paw)]
            assert heights == sorted(heights, reverse=True)
            assert heights[2] < 0.15
            assert sign * at[f"{side}_{paw}"][1] > 0
    # It faces along x, its head before its neck and its tail behind.
    order = [at[name][0] for name in ("nose", "neck", "root_of_tail", "tail_tip")]
    assert order == sorted(order, reverse=True)


def test_segments_keep_their_lengths_whatever_the_animal_does():
    random = np.random.default_rng(0)
    bones = [("shoulder", "elbow"), ("hip", "knee")]
    for kind in BUILDS.values():
        lengths = []
        for stance in [STANDING, *(sample_stance(random) for _ in range(6))]:
            joints = dict(zip(QUADRUPED20.joints, move(kind, stance).joints, strict=True))
            lengths.append(
                [
                    np.linalg.norm(joints[f"{side}_{a}"] - joints[f"{side}_{b}"])
                    for side in ("left", "right")
                    for a, b in bones
                ]
            )
        assert np.ptp(lengths, axis=0).max() < 1e-9


def test_turning_the_animal_turns_all_of_it():
    build = BUILDS["horse"]
    still, turned = move(build, Stance(heading=0.0)), move(build, Stance(heading=np.pi / 2))
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    np.testing.assert_allclose(turned.vertices, still.vertices @ quarter.T, atol=1e-9)
    np.testing.assert_allclose(turned.joints, still.joints @ quarter.T, atol=1e-9)


def test_a_standing_animal_is_its_own_mirror_image():
    joints = move(BUILDS["dog"]).joints
    mirrored = joints[QUADRUPED20.mirror_permutation] * [1, -1, 1]
    np.testing.assert_allclose(mirrored, joints, atol=1e-9)


def test_joints_are_where_the_camera_sees_them_and_inside_the_animal():
    for number in range(4):
        # Sharp, so that the mask has an edge.
        taken = [
            replace(shot, light=replace(shot.light, motion=(0.0, 0.0))) for shot in shots(number)
        ]
        rendered = render_animals(taken, SIZE)
        for row in range(len(taken)):
            joints = rendered.pose.joints[row][rendered.pose.visible[row]].round().long()
            mask = rendered.mask[row]
            near = torch.nn.functional.max_pool2d(mask[None, None], 5, 1, 2)[0, 0]
            x, y = joints[:, 0].clamp(0, SIZE[1] - 1), joints[:, 1].clamp(0, SIZE[0] - 1)
            assert (near[y, x] > 0.3).all()
        assert rendered.pose.usable(QUADRUPED20).float().mean() > 0.9


def test_mask_and_background_tell_where_the_animal_is():
    rendered = render_animals(shots(1), SIZE)
    differ = (rendered.image - rendered.background).abs().amax(dim=1)
    assert differ[rendered.mask > 0.9].mean() > 4 * differ[rendered.mask == 0].mean()
    assert 0.05 < (rendered.mask > 0.5).float().mean() < 0.8


def test_the_same_shot_is_the_same_picture_and_other_individuals_look_different():
    one, again, other = (render_animals(shots(n), SIZE) for n in (5, 5, 6))
    assert one.image.equal(again.image)
    assert one.pose.joints.equal(again.pose.joints)
    assert sample_individual(5) == sample_individual(5)
    assert sample_individual(5).coat != sample_individual(6).coat
    assert not one.image.equal(other.image)


def test_a_coat_moves_with_the_body():
    # What lies on one place of the resting body has one colour in every stance.
    from deformgan.rendering.animals.coat import paint, sample_coat

    random = np.random.default_rng(3)
    rest = move(BUILDS["cow"])
    coat = sample_coat(random)
    across = np.zeros(len(rest.vertices))
    color = paint(coat, rest.piece, rest.vertices, rest.along, across)
    for _ in range(3):
        moved = move(BUILDS["cow"], sample_stance(random))
        assert np.array_equal(moved.piece, rest.piece)
        assert np.array_equal(moved.triangles, rest.triangles)
    assert color.shape == (len(rest.vertices), 3)
    assert ((color >= 0) & (color <= 1)).all()
    assert color.std(axis=0).min() > 0.01


@pytest.mark.slow
def test_the_command_writes_a_data_set_that_our_readers_know(tmp_path, capsys):
    words = ["data", "synthesize", "--kind", "quadruped", "--size", "48x64", "--people", "2"]
    words += ["--workers", "1", "--out"]
    assert main([*words, str(tmp_path / "a"), "--per-person", "2"]) == 0
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["parameters"]["skeleton"] == "quadruped20"
    photos = open_dataset(tmp_path / "a", skeleton=QUADRUPED20)
    assert len(photos) == 4
    assert photos.size == (48, 64)
    assert photos.usable.all()
    assert photos.backgrounds is not None
    assert photos.backgrounds.shape == photos.images.shape
    surfaces = getattr(photos, "surfaces", None)
    assert surfaces is not None
    assert surfaces.layer.shape == (4, 48, 64)
    check = ["data", "check", str(tmp_path / "a"), "--skeleton", "quadruped20"]
    assert main(check) == 0
    # Grown, it is what it would have been at once.
    assert main([*words, str(tmp_path / "a"), "--per-person", "3"]) == 0
    assert main([*words, str(tmp_path / "b"), "--per-person", "3"]) == 0
    files = sorted(path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*.*"))
    assert sum(file.suffix == ".npz" for file in files) == 6
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    capsys.readouterr()
    assert main([*words, str(tmp_path / "c"), "--per-person", "2", "--framing", "wide"]) == 2
    assert "--framing wide is only for people" in capsys.readouterr().err
