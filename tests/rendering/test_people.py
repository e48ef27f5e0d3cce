"""Tests of the rendered people. Marked slow: Anny takes ten seconds to load, minutes at first."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

# Looked for, not imported: importing anny takes ten seconds even where no test needs it.
if find_spec("anny") is None or find_spec("numba") is None:
    pytest.skip("needs the extra 'synth': uv sync --extra synth", allow_module_level=True)

from deformgan.pose_formats import read_annotations
from deformgan.rendering import (
    Camera,
    Posture,
    people,
    picture,
    render_people,
    sample_identity,
    sample_place,
    walking,
)
from deformgan.rendering.body import load_body_model
from deformgan.rendering.bundle import write_bundle
from deformgan.rendering.crowd import Passerby
from deformgan.rendering.dataset import sample_shot
from deformgan.rendering.posture import Arm, Leg, bone_rotations
from deformgan.rendering.scene import Light
from deformgan.rendering.things import Thing
from deformgan.rendering.wardrobe import LAYERS
from deformgan.skeletons.openpose18 import OPENPOSE18

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CAMERA = Camera(height=2.2, distance=8.0)


def joint(rendered, name: str, row: int = 0):
    return rendered.pose.joints[row, OPENPOSE18.index(name)].numpy()


def seen(rendered, name: str, row: int = 0) -> bool:
    return bool(rendered.pose.visible[row, OPENPOSE18.index(name)])


def shot(number: int = 9001, posture: Posture = Posture(), camera: Camera = CAMERA):  # noqa: B008
    drawn = sample_shot(sample_identity(number), seed=3, view=0)
    still = replace(drawn.light, motion=(0.0, 0.0))
    return replace(drawn, posture=posture, camera=camera, light=still, others=(), before=())


@pytest.fixture
def only_the_marker(monkeypatch):
    """Replace a picture by the share of every pixel that shows marked points of the person."""

    def use(marked):
        def paint(dressed, person, at):
            return np.repeat(marked(dressed, at)[:, None] * 1.0, 3, axis=1)

        monkeypatch.setattr(people, "paint", paint)
        monkeypatch.setattr(Light, "on", lambda *_: np.ones(3))
        monkeypatch.setattr(picture, "_background", lambda *args: [np.zeros((*args[-1], 3))] * 2)
        monkeypatch.setattr(picture, "_develop", lambda image, *_: image)

    return use


def centre(image: torch.Tensor) -> np.ndarray:
    """Where the marked pixels are on average, (x, y)."""
    share = (image[0].double() + 1) / 2
    rows, columns = torch.meshgrid(
        torch.arange(share.shape[0]), torch.arange(share.shape[1]), indexing="ij"
    )
    return np.array([(share * columns).sum() / share.sum(), (share * rows).sum() / share.sum()])


@pytest.mark.parametrize("size", [(128, 64), (200, 90)])
@pytest.mark.parametrize("heading", [0.0, 30.0, 160.0])
def test_knees_are_where_the_picture_shows_them(only_the_marker, size, heading):
    apart = Leg(outward=9.0)  # so that neither leg hides a part of the other one
    taken = [shot(9003, Posture(right_leg=apart, left_leg=apart, heading=heading))]
    for sign, name in ((1, "left_knee"), (-1, "right_knee")):
        only_the_marker(
            lambda dressed, at, sign=sign: (
                (np.abs(at.along_leg - 1) < 0.06) & (sign * at.rest[:, 0] > 0) & (at.arm < 0.5)
            )
        )
        rendered = render_people(taken, size)
        assert rendered.unhidden[0, OPENPOSE18.index(name)]
        # The marker is a ring on the skin; the joint is in its middle.
        off = np.abs(centre(rendered.image[0]) - joint(rendered, name)) * 128 / size[0]
        assert (off < 2.5).all(), (name, off)


def test_the_nose_is_where_the_picture_shows_it(only_the_marker):
    only_the_marker(
        lambda dressed, at: (
            (at.layer == LAYERS.index("skin"))
            & (np.abs(at.rest[:, 0]) < 0.006)
            & (at.rest[:, 1] < dressed.body.head("eye.L")[1] - 0.035)
            & (np.abs(at.rest[:, 2] - dressed.body.head("eye.L")[2] + 0.034) < 0.008)
        )
    )
    rendered = render_people([shot(9003)], (512, 256))
    off = np.abs(centre(rendered.image[0]) - joint(rendered, "nose")) / 4
    assert (off < 1).all(), off


def test_coordinates_scale_with_the_size_of_the_picture():
    small = render_people([shot()], (128, 64)).pose.joints
    large = render_people([shot()], (384, 192)).pose.joints
    torch.testing.assert_close(large, (small + 0.5) * 3 - 0.5, atol=1e-3, rtol=0)


def test_a_person_who_faces_the_camera_has_the_right_on_the_images_left():
    away = Posture(heading=180.0)
    rendered = render_people([shot(), shot(posture=away)])
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        assert joint(rendered, f"right_{part}")[0] < joint(rendered, f"left_{part}")[0]
        assert joint(rendered, f"right_{part}", 1)[0] > joint(rendered, f"left_{part}", 1)[0]
    assert joint(rendered, "right_eye")[0] < joint(rendered, "left_eye")[0]


def test_the_neck_is_the_mean_of_the_shoulders():
    rendered = render_people([shot()], (256, 128))
    mean = (joint(rendered, "right_shoulder") + joint(rendered, "left_shoulder")) / 2
    # Perspective moves the middle a little.
    np.testing.assert_allclose(joint(rendered, "neck"), mean, atol=0.5)


def test_hidden_joints_are_not_visible():
    sideways = replace(Posture(), heading=90.0)  # shows the right side
    rendered = render_people([shot(), shot(posture=Posture(heading=180.0)), shot(posture=sideways)])
    assert seen(rendered, "nose", 0)
    assert seen(rendered, "right_eye", 0)
    assert seen(rendered, "left_eye", 0)
    assert not seen(rendered, "nose", 1)
    assert not seen(rendered, "right_eye", 1)
    assert not seen(rendered, "left_eye", 1)
    assert seen(rendered, "right_elbow", 2)
    assert not seen(rendered, "left_elbow", 2)
    assert seen(rendered, "right_ear", 2)
    assert not seen(rendered, "left_ear", 2)
    assert seen(rendered, "left_shoulder", 2)  # annotated from every side
    assert not rendered.unhidden[2, OPENPOSE18.index("left_shoulder")]
    assert (rendered.unhidden <= rendered.pose.visible).all()


def test_joints_outside_the_frame_are_not_visible():
    cut = Camera(height=2.2, distance=8.0, margin=(0.05, -0.25))
    rendered = render_people([shot(camera=cut)])
    for part in ("right_ankle", "left_ankle"):
        assert joint(rendered, part)[1] > 127.5
        assert not seen(rendered, part)
    assert seen(rendered, "right_hip")


def test_the_mask_is_what_the_person_covers(monkeypatch):
    monkeypatch.setattr(picture, "_develop", lambda image, *_: image)
    images = []
    for level in (0.0, 1.0):
        monkeypatch.setattr(
            picture, "_background", lambda *args, level=level: [np.full((*args[-1], 3), level)] * 2
        )
        rendered = render_people([shot()])
        images.append((rendered.image[0] + 1) / 2)
    through = images[1] - images[0]  # how much of the background every pixel lets through
    torch.testing.assert_close(through, (1 - rendered.mask).expand(3, -1, -1), atol=1e-5, rtol=0)
    assert 0.1 < rendered.mask.mean() < 0.5
    assert rendered.mask.max() == 1


def test_the_person_fills_the_height_but_for_the_margins():
    camera = Camera(height=2.2, distance=8.0, margin=(0.1, 0.05))
    rows = render_people([shot(camera=camera)]).mask[0].amax(dim=1).nonzero()
    assert abs(int(rows.min()) - 12.8) < 2
    assert abs(int(rows.max()) - 121.6) < 2


def test_the_same_shot_is_the_same_picture_and_another_seed_is_not():
    first, again = (render_people([sample_shot(sample_identity(9003), 5, 0)]) for _ in range(2))
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.pose.joints, again.pose.joints)
    other = render_people([sample_shot(sample_identity(9003), 6, 0)])
    assert not torch.equal(first.image, other.image)
    assert not torch.equal(first.pose.joints, other.pose.joints)


def test_a_picture_does_not_depend_on_the_pictures_beside_it():
    shots = [shot(9001), shot(9003), shot(9003, walking(0.1))]
    together = render_people(shots).image
    alone = torch.cat([render_people([single]).image for single in shots])
    assert torch.equal(together, alone)


def test_another_place_or_camera_does_not_change_the_person(monkeypatch):
    first = shot(9003)
    second = replace(first, place=sample_place(77), posture=replace(walking(0.4), heading=70.0))
    colors = []

    def paint(dressed, person, at):
        from deformgan.rendering import materials

        color = materials.paint(dressed, person, at)
        colors.append(np.median(color[at.layer == LAYERS.index("top")], axis=0))
        return color

    monkeypatch.setattr(people, "paint", paint)
    render_people([first, second])
    np.testing.assert_allclose(colors[0], colors[1], rtol=0.25)


def test_one_crop_keeps_the_camera_still():
    film = [shot(posture=walking(phase / 8)) for phase in range(8)]
    free = render_people(film).pose.joints[:, OPENPOSE18.index("neck"), 1]
    still = render_people(film, one_crop=True)
    neck = still.pose.joints[:, OPENPOSE18.index("neck"), 1]
    # On the spot, everything else being equal, half a cycle later is the mirrored moment.
    torch.testing.assert_close(neck[:4], neck[4:], atol=0.35, rtol=0)
    assert neck.amax() - neck.amin() < 5
    assert not torch.allclose(free, neck)
    assert (still.mask.amax(dim=2)[:, 0] == 0).all()  # nobody's head is cut off


@pytest.mark.parametrize("size", [(128, 64), (160, 128), (128, 128), (120, 200), (256, 64)])
def test_people_keep_their_proportions_in_a_frame_of_any_shape(size):
    tall = render_people([shot()], (256, 128)).pose.joints[0]
    other = render_people([shot()], size).pose.joints[0]
    scales = (other.amax(0) - other.amin(0)) / (tall.amax(0) - tall.amin(0))
    if size == (256, 64):  # arms would not fit: narrower, but by no more than a quarter
        assert 1 < scales[1] / scales[0] <= 1.25 + 1e-3
    else:
        torch.testing.assert_close(scales, torch.full((2,), size[0] / 256), atol=1e-3, rtol=0)


def test_a_wide_frame_cuts_people_and_a_tall_one_does_not():
    shots = [sample_shot(sample_identity(9000 + n), 5, 0, 0, "wide") for n in range(24)]
    assert 5 <= sum(one.camera.margin[1] < -0.05 for one in shots) <= 16
    assert not any(one.camera.whole for one in shots)
    busts = [one for one in shots if one.camera.margin[1] < -0.6]
    rendered = render_people(busts[:1], (160, 128))
    assert not seen(rendered, "right_ankle")
    assert joint(rendered, "right_ankle")[1] > 159.5
    assert rendered.mask[0, -1].max() == 1  # the person goes on below the frame


def test_what_stands_before_a_person_hides_them_and_their_joints():
    free = shot()
    # A container before the legs, wide enough for both.
    box = Thing("bin", x=0.0, distance=-0.7, hue=(0.4, 0.5, 0.6), extra=(1.0, 0.5, 0.0, 0.0))
    plain, hidden = (render_people([one]) for one in (free, replace(free, before=(box,))))
    legs = OPENPOSE18.indices(["right_knee", "left_knee", "right_ankle", "left_ankle"])
    arms = OPENPOSE18.indices(["right_shoulder", "left_shoulder", "right_elbow", "left_elbow"])
    assert plain.pose.visible[0, legs].all()
    assert not hidden.pose.visible[0, legs].any()
    assert torch.equal(hidden.pose.visible[0, arms], plain.pose.visible[0, arms])
    assert torch.equal(hidden.pose.joints, plain.pose.joints)
    assert (hidden.mask <= plain.mask).all()
    x, y = joint(plain, "right_knee").round().astype(int)
    assert (plain.mask[0, y, x], hidden.mask[0, y, x]) == (1, 0)
    # It hides the same of the empty street.
    torch.testing.assert_close(
        hidden.image[0, :, y, x], hidden.background[0, :, y, x], atol=0.1, rtol=0
    )


def test_somebody_right_before_a_person_hides_them_and_somebody_behind_does_not():
    free = shot()
    before, behind = (replace(free, others=(Passerby(3, 0.0, y, 0.0),)) for y in (-1.0, 3.0))
    plain, covered, backed = (render_people([one]) for one in (free, before, behind))
    assert covered.mask.sum() < 0.4 * plain.mask.sum()
    assert covered.pose.visible.sum() < plain.pose.visible.sum() / 2
    assert torch.equal(backed.mask, plain.mask)
    assert torch.equal(backed.pose.visible, plain.pose.visible)
    assert not torch.equal(backed.background, plain.background)


def test_the_background_is_the_picture_where_the_person_is_not():
    # No sun, no shadow; far from the person the two are the same picture, noise and all.
    free = shot()
    cloudy = replace(free, light=replace(free.light, sun=0.0, blur=0.2, edges=0.0))
    rendered = render_people([cloudy], (256, 256))
    near = torch.nn.functional.max_pool2d(rendered.mask[None], 61, 1, 30)[0] > 0
    difference = (rendered.image - rendered.background).abs().amax(dim=1)
    assert difference[~near].max() < 1e-6
    assert difference[rendered.mask == 1].mean() > 0.1


def bone_places(body, posture):
    """Return a function that returns where a bone of a body in a posture begins."""
    motions = body.move(bone_rotations(body, posture))

    def place(bone):
        motion = motions[body.model.bone(bone)]
        return motion[:, :3] @ body.head(bone) + motion[:, 3]

    return place


def test_hanging_hands_are_half_closed_and_turned_to_the_thighs():
    body = load_body_model().shape(sample_identity(9003).build)
    place = bone_places(body, Posture())
    for side, inward in (("R", 1.0), ("L", -1.0)):
        knuckle, middle, tip = (place(f"finger3-{n}.{side}") for n in (1, 2, 3))
        assert knuckle[2] > middle[2] > tip[2]  # they hang
        # Fingers bend towards the palm, so inwards.
        first, second = middle - knuckle, tip - middle
        bent = np.degrees(
            np.arccos(first @ second / np.linalg.norm(first) / np.linalg.norm(second))
        )
        assert 20 < bent < 70
        assert inward * (second / np.linalg.norm(second) - first / np.linalg.norm(first))[0] > 0
        # Neighbours are nearer than at rest.
        rest = body.head(f"finger2-3.{side}") - body.head(f"finger5-3.{side}")
        now = place(f"finger2-3.{side}") - place(f"finger5-3.{side}")
        assert np.linalg.norm(now) < 0.9 * np.linalg.norm(rest)


def test_luggage_hangs_below_the_hand_and_is_no_part_of_the_crop():
    person = next(
        who for who in map(sample_identity, range(9000, 9100)) if who.luggage == "plastic"
    )
    empty = replace(person, luggage=None)
    one, other = (replace(shot(), identity=who) for who in (person, empty))
    carrying, free = render_people([one]), render_people([other])
    torch.testing.assert_close(carrying.pose.joints, free.pose.joints)
    rows, columns = (carrying.mask[0] > free.mask[0] + 0.5).nonzero().T.double()
    wrist = joint(free, "right_wrist")
    assert rows.mean() > wrist[1] + 5
    assert abs(columns.mean() - wrist[0]) < 8


def test_the_bundle_is_what_its_script_writes(tmp_path):
    from importlib.resources import files

    write_bundle(tmp_path, people=6)
    bundled = files("deformgan") / "people"
    for table in ("annotation.csv", "walk.csv"):
        made = read_annotations(tmp_path / table)
        kept = read_annotations(str(bundled / table)).select(made.names)
        # Another machine may round a coordinate the other way.
        assert (made.pose.visible == kept.pose.visible).float().mean() > 0.99
        both = made.pose.visible & kept.pose.visible
        assert (made.pose.joints - kept.pose.joints)[both].abs().max() <= 0.02
    from PIL import Image

    paths = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*_00.jpg"))
    large = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.webp"))
    assert (len(paths), [path.stem for path in large]) == (24, ["0004"])
    paths += large
    for path in paths:
        made, kept = (
            np.asarray(Image.open(str(folder / path)), dtype=float)
            for folder in (tmp_path, bundled)
        )
        assert np.abs(made - kept).mean() < 2


@pytest.mark.parametrize(("own", "up"), [(160.0, 0.94), (None, -0.17)])
def test_a_forearm_has_its_own_outward_angle_or_half_of_the_upper_arms(own, up):
    arm = Arm(forward=0.0, outward=160.0, elbow=0.0, inward=0.0, forearm_outward=own)
    body = load_body_model().shape(sample_identity(9003).build)
    place = bone_places(body, Posture(left_arm=arm, lean=0.0))
    forearm = place("wrist.L") - place("lowerarm01.L")
    # The cosine of what is left to vertical: 160 degrees from hanging, or 80.
    np.testing.assert_allclose(forearm[2] / np.linalg.norm(forearm), up, atol=0.05)


def test_active_people_are_whole_and_raise_their_arms():
    shots = [sample_shot(sample_identity(9000 + n), 5, 0, 0, "active") for n in range(24)]
    again = [sample_shot(sample_identity(9000 + n), 5, 0, 0, "active") for n in range(24)]
    assert shots == again
    arms = [arm for shot in shots for arm in (shot.posture.right_arm, shot.posture.left_arm)]
    assert sum(arm.outward > 90 for arm in arms) > 8
    rendered = render_people([shot for shot in shots if shot.posture.right_arm.outward > 120][:2])
    assert rendered.pose.joints[:, OPENPOSE18.index("right_wrist"), 1].max() < 64
    assert (rendered.mask.sum(dim=(1, 2)) > 100).all()
