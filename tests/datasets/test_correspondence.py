"""Correspondence of surfaces made by hand: planes, balls, sheets and legs."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

pytest.importorskip("scipy", reason="needs the extra synth")

from deformgan.datasets import correspondence
from deformgan.datasets.correspondence import correspond, whole_faces
from deformgan.datasets.surfaces import FACE, NOTHING, Surface
from deformgan.errors import InputError


@dataclass(frozen=True)
class Pinhole:
    """A camera that stands round the z axis and looks at the origin.

    Attributes:
        azimuth: In degrees; at 0 it stands at y = -distance and looks along +y.
        distance: In metres.
        height: Above the origin, in metres.
        zoom: Pixels per tangent, as a share of the rows.
        size: (height, width).
    """

    azimuth: float = 0.0
    distance: float = 4.0
    height: float = 0.0
    zoom: float = 2.0
    size: tuple[int, int] = (96, 64)

    @property
    def eye(self) -> np.ndarray:
        """Where it stands, (3,)."""
        turn = np.radians(self.azimuth)
        ahead = np.array([np.sin(turn), -np.cos(turn), 0]) * self.distance
        return ahead + np.array([0, 0, self.height])

    @property
    def axes(self) -> np.ndarray:
        """Rows: right, down, forward."""
        forward = -self.eye / np.linalg.norm(self.eye)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    @property
    def matrix(self) -> np.ndarray:
        """(3, 4), from the world to homogeneous pixels."""
        height, width = self.size
        focal = self.zoom * height
        inner = np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1]])
        return inner @ np.column_stack([self.axes, -self.axes @ self.eye])

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Project points (..., 3) to (..., 2)."""
        seen = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1) @ self.matrix.T
        return seen[..., :2] / seen[..., 2:]

    def rays(self) -> np.ndarray:
        """(height, width, 3) directions."""
        rows, columns = np.mgrid[0 : self.size[0], 0 : self.size[1]]
        focal = self.zoom * self.size[0]
        x = (columns - self.size[1] / 2 + 0.5) / focal
        y = (rows - self.size[0] / 2 + 0.5) / focal
        return np.stack([x, y, np.ones_like(x)], axis=-1) @ self.axes


def surface(place: np.ndarray, layer: np.ndarray) -> Surface:
    """As it is read from a file: half precision, 0 where nothing is shown."""
    place = np.where((layer == NOTHING)[..., None], 0, place).astype(np.float16)
    return Surface(
        torch.from_numpy(place.astype(np.float32)).permute(2, 0, 1),
        torch.from_numpy(layer.astype(np.uint8)),
    )


def plane(camera: Pinhole, y: float = 0.0, half: tuple[float, float] = (0.5, 0.8), layer: int = 2):
    """A board that stands in the xz plane, its places at rest where it stands."""
    rays = camera.rays()
    reach = (y - camera.eye[1]) / rays[..., 1]
    place = camera.eye + reach[..., None] * rays
    on = (reach > 0) & (np.abs(place[..., 0]) < half[0]) & (np.abs(place[..., 2]) < half[1])
    return surface(place, np.where(on, layer, NOTHING))


def ball(camera: Pinhole, center=(0.0, 0.0, 0.0), radius: float = 0.6, layer: int = 2) -> Surface:
    """A ball, its places at rest where it is."""
    rays = camera.rays()
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    away = camera.eye - np.array(center)
    middle = -(rays @ away)
    square = middle**2 - (away @ away - radius**2)
    place = camera.eye + (middle - np.sqrt(square.clip(0)))[..., None] * rays
    return surface(place, np.where(square > 0, layer, NOTHING))


def over(front: Surface, back: Surface) -> Surface:
    """One surface before another."""
    there = front.layer != NOTHING
    return Surface(
        torch.where(there, front.place, back.place), torch.where(there, front.layer, back.layer)
    )


FRONT = Pinhole()


def own_pixels(size):
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in size), indexing="ij")
    return torch.stack([x, y])


def flipped(surface):
    return Surface(surface.place.flip(-1), surface.layer.flip(-1))


def far_off(found, wanted):
    """(height, width) distance in pixels."""
    return (found.source_from_target - wanted).norm(dim=0)


@pytest.mark.parametrize("make", [plane, ball])
@pytest.mark.parametrize("azimuth", [0, 50, 100])
def test_a_picture_corresponds_with_itself_pixel_by_pixel(make, azimuth):
    picture = make(Pinhole(azimuth=azimuth))
    found = correspond(picture, picture)
    body = picture.layer != NOTHING
    for mask in (found.matched, found.visible, found.body):
        assert torch.equal(mask, body)
    assert (far_off(found, own_pixels(body.shape))[body] < 1e-3).all()
    assert (found.source_from_target[:, ~body] == 0).all()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (FRONT, Pinhole(azimuth=35, height=0.6)),
        (Pinhole(azimuth=-50, distance=5.0), FRONT),
        (Pinhole(azimuth=-20, height=1.0, zoom=2.6), Pinhole(azimuth=30, distance=3.0)),
        (Pinhole(azimuth=10, size=(192, 128)), Pinhole(azimuth=-25, size=(64, 48))),
    ],
)
def test_a_moved_camera_alone_gives_the_homography_of_a_plane(source, target):
    found = correspond(plane(source), plane(target))
    # Points of the plane y = 0 to pixels: the projection without its second column.
    source_from_plane, target_from_plane = (c.matrix[:, [0, 2, 3]] for c in (source, target))
    homography = source_from_plane @ np.linalg.inv(target_from_plane)
    pixels = own_pixels(target.size).numpy()
    mapped = np.einsum("ij,jhw->ihw", homography, np.stack([*pixels, np.ones(target.size)]))
    wanted = torch.from_numpy(mapped[:2] / mapped[2])
    body = found.body
    # All of the plane is seen, but for what is outside of the source's frame and at its edge.
    height, width = source.size
    x, y = wanted
    inside = body & (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    edge = torch.nn.functional.max_pool2d((~body)[None].float(), 3, 1, 1)[0] > 0
    assert found.visible[inside & ~edge].all()
    assert inside.sum() > 400
    error = far_off(found, wanted)[found.visible]
    # The rest is half precision: a quarter of a millimetre where a pixel is a centimetre or two.
    assert error.mean() < 0.02
    assert error.max() < 0.15
    outside = (x < -0.7) | (x > width - 0.3) | (y < -0.7) | (y > height - 0.3)
    assert not (found.visible & outside).any()


@pytest.mark.parametrize("azimuth", [30, 60, 90, 110])
def test_of_a_ball_that_is_seen_which_faces_both_cameras(azimuth):
    size = (128, 128)
    source, target = Pinhole(size=size), Pinhole(azimuth=azimuth, size=size)
    asked = ball(target)
    found = correspond(ball(source), asked)
    place = asked.place.permute(1, 2, 0).double().numpy()
    to_eye = source.eye - place
    facing = (place * to_eye).sum(-1) / np.linalg.norm(to_eye, axis=-1) / 0.6  # cosine
    facing = torch.from_numpy(facing)
    assert found.visible[found.body & (facing > 0.25)].all()
    assert not found.visible[found.body & (facing < -0.1)].any()
    wanted = torch.from_numpy(source.pixels(place)).permute(2, 0, 1)
    error = far_off(found, wanted)[found.visible & (facing > 0.25)]
    assert error.mean() < 0.02
    assert error.max() < 0.2


def test_what_stands_before_the_source_is_not_seen_to_the_pixel():
    camera = Pinhole(size=(128, 64))
    whole, hidden = plane(camera), plane(camera)
    layer = hidden.layer.clone()
    layer[40:60] = NOTHING  # a rail
    cut = Surface(hidden.place * (layer != NOTHING), layer)
    found = correspond(cut, whole)
    body = whole.layer != NOTHING
    assert torch.equal(found.visible, body & (layer != NOTHING))
    # It stands before the target: nobody is asked about.
    assert torch.equal(correspond(whole, cut).body, layer != NOTHING)


def test_the_back_of_a_sheet_finds_its_front_and_a_face_nothing():
    size = (128, 96)
    front, back = (Pinhole(azimuth=a, size=size) for a in (0, 180))
    shown = plane(front, y=-0.1)
    asked = plane(back, y=0.1)
    found = correspond(shown, asked)
    assert not found.visible.any()
    inner = asked.place[0].abs() < 0.4
    inner &= (asked.place[2].abs() < 0.7) & found.body
    assert found.matched[inner].all()
    wanted = asked.place.permute(1, 2, 0).double().numpy() - np.array([0, 0.2, 0])
    error = far_off(found, torch.from_numpy(front.pixels(wanted)).permute(2, 0, 1))
    assert error[inner].max() < 1.0
    for layer in (FACE, 3):  # a face, and another layer than the source has
        other = correspond(shown, plane(back, y=0.1, layer=layer))
        assert not other.matched.any()
        assert (other.source_from_target == 0).all()
    # No back of a head is painted with a face, either.
    assert not correspond(plane(front, y=-0.1, layer=FACE), asked).matched.any()


def test_a_guess_is_not_taken_from_the_outline():
    front, back = (Pinhole(azimuth=a, size=(256, 128)) for a in (0, 180))
    shown = plane(front, y=-0.05)
    found = correspond(shown, plane(back, y=0.05))
    x, y = found.source_from_target[:, found.matched].round().long()
    outside = (shown.layer == NOTHING)[None].float()
    near_outline = torch.nn.functional.max_pool2d(outside, 3, 1, 1)[0] > 0
    assert found.matched.sum() > 1000
    assert not near_outline[y, x].any()


def test_left_is_never_right():
    # Two legs, each hidden in turn by the other one; at rest they are apart.
    legs = {side: (0.25 * sign, 0.0, 0.0) for side, sign in (("left", 1), ("right", -1))}
    matched = 0
    for source_turn in (0, 70, 90, 180, 270):
        for target_turn in (0, 80, 90, 110, 180, 270):
            pictures = []
            for turn in (source_turn, target_turn):
                camera = Pinhole(azimuth=turn, size=(64, 64))
                nearest = sorted(legs.values(), key=lambda c: np.linalg.norm(camera.eye - c))
                front, rear = (ball(camera, place, 0.12) for place in nearest)
                pictures.append(over(front, rear))
            source, target = pictures
            found = correspond(source, target)
            x, y = found.source_from_target[:, found.matched].round().long()
            asked = target.place[0][found.matched].sign()
            assert torch.equal(source.place[0][y, x].sign(), asked)
            matched += len(asked)
    assert matched > 1500


def test_two_layers_on_top_of_each_other_are_told_apart():
    # Hair a centimetre behind a collar: near enough to be taken for it, and another thing.
    camera = Pinhole(size=(64, 48))
    cloth, hair = plane(camera, y=0.0, layer=2), plane(camera, y=0.01, layer=5)
    assert correspond(cloth, cloth).visible.any()
    assert not correspond(hair, cloth).matched.any()
    # Of one layer they would be one surface.
    assert correspond(plane(camera, y=0.01, layer=2), cloth).visible.any()


def test_a_guess_is_the_nearest_place_of_the_layer_by_slow_loops():
    random = np.random.default_rng(0)
    size = (12, 10)

    def drawn(y):
        place = random.uniform(-0.2, 0.2, (*size, 3)) * [1, 0.1, 1] + [0, y, 0]
        layer = random.choice([1, 2, NOTHING], size)
        return surface(place, layer)

    source, target = drawn(-0.25), drawn(0.25)
    found = correspond(source, target)
    squeezed = np.array([1.0, 0.15, 1.0])
    compared = 0
    for row in range(size[0]):
        for column in range(size[1]):
            layer = int(target.layer[row, column])
            if layer == NOTHING or found.visible[row, column]:
                continue
            place = target.place[:, row, column].double().numpy()
            best, at = 0.12, None
            for y in range(size[0]):
                for x in range(size[1]):
                    if int(source.layer[y, x]) != layer:
                        continue
                    apart = (source.place[:, y, x].double().numpy() - place) * squeezed
                    if np.linalg.norm(apart) < best:
                        best, at = np.linalg.norm(apart), (x, y)
            assert bool(found.matched[row, column]) == (at is not None)
            if at is not None:
                assert tuple(found.source_from_target[:, row, column].tolist()) == at
                compared += 1
    assert compared > 30


def test_a_stride_leaves_out_pixels_and_changes_none():
    source, target = ball(FRONT), ball(Pinhole(azimuth=60, size=(95, 63)))
    whole, part = correspond(source, target), correspond(source, target, 3)
    assert part.body.shape == (32, 21)
    assert torch.equal(part.source_from_target, whole.source_from_target[:, ::3, ::3])
    for name in ("matched", "visible", "body"):
        assert torch.equal(getattr(part, name), getattr(whole, name)[::3, ::3])


def test_the_mirrored_pair_is_the_mirror_of_the_pair():
    source = ball(Pinhole(azimuth=10))
    target = ball(Pinhole(azimuth=80, height=0.5))
    mirror = correspond(source, flipped(target)).mirrored(source.layer.shape[1])
    again = correspond(flipped(source), flipped(target))
    plain = correspond(source, target)
    for name in ("matched", "visible", "body"):
        assert torch.equal(getattr(mirror, name), getattr(plain, name).flip(-1))
        assert torch.equal(getattr(mirror, name), getattr(again, name))
    where = mirror.visible
    x, y = mirror.source_from_target[:, where]
    torch.testing.assert_close(x, (63 - plain.source_from_target[0].flip(-1))[where])
    torch.testing.assert_close(y, plain.source_from_target[1].flip(-1)[where])
    # Without the shortcut, by pictures that are mirrored both.
    error = far_off(mirror, again.source_from_target)[where]
    assert error.max() < 0.05
    assert (mirror.source_from_target[:, ~mirror.matched] == 0).all()


@pytest.mark.parametrize(("azimuth", "copied"), [(25, True), (70, False)])
def test_a_face_is_copied_if_most_of_it_is_visible_and_else_not_at_all(azimuth, copied):
    # A ball as a head, turned away from the source, over a wide sheet as the body.
    target_camera, source_camera = Pinhole(), Pinhole(azimuth=azimuth)
    target, source = (
        over(ball(camera, radius=0.3, layer=FACE), ball(camera, (0, 0, -0.5), 0.4))
        for camera in (target_camera, source_camera)
    )
    found = correspond(source, target, 2)
    face = target.layer[::2, ::2] == FACE
    part = (found.visible & face).sum() / face.sum()
    assert 0.05 < part < 0.95
    whole = whole_faces(found, target, 2)
    assert torch.equal(whole.visible & ~face, found.visible & ~face)
    assert torch.equal(whole.matched & ~face, found.matched & ~face)
    assert torch.equal(whole.visible & face, found.visible & face if copied else face & ~face)
    assert torch.equal(whole.matched & face, face if copied else face & ~face)
    kept = found.visible | ~face
    assert torch.equal(whole.source_from_target[:, kept], found.source_from_target[:, kept])
    for y, x in (face & ~found.visible).nonzero().tolist() if copied else ():
        seen = (found.visible & face).nonzero()
        away = (seen - torch.tensor([y, x])).square().sum(dim=1)
        near = found.source_from_target[:, *seen[away == away.min()].T]
        assert (whole.source_from_target[:, y, x] == near.T).all(dim=1).any()


def test_without_a_face_whole_faces_changes_nothing():
    target, source = ball(Pinhole()), ball(Pinhole(azimuth=60))
    found = correspond(source, target)
    assert whole_faces(found, target) is found


def test_without_a_body_nothing_is_matched():
    picture, empty = plane(FRONT), plane(FRONT, half=(0.0, 0.0))
    for source, target in ((picture, empty), (empty, picture), (empty, empty)):
        found = correspond(source, target)
        assert not found.matched.any()
        assert not found.visible.any()
        assert torch.equal(found.body, target.layer != NOTHING)


def test_a_single_pixel_is_found_and_flat_pictures_divide_by_nothing():
    one = plane(FRONT)
    layer = torch.full_like(one.layer, NOTHING)
    layer[40, 30] = 2
    dot = Surface(one.place * (layer != NOTHING), layer)
    with np.errstate(all="raise"):
        found = correspond(dot, one)
        assert found.visible.sum() <= 1
        same = correspond(dot, dot)
        assert same.matched.sum() == 1
        assert same.source_from_target[:, 40, 30].tolist() == [30, 40]
        row = Surface(one.place[:, 40:41], one.layer[40:41])
        assert torch.equal(correspond(row, row).visible, row.layer != NOTHING)


def test_without_scipy_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(correspondence, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs scipy: pip install 'deformgan\[synth\]'"):
        correspond(plane(FRONT), plane(FRONT))
