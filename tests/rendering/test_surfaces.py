"""Surfaces of rendered people and animals, and their matches, against the triangles themselves."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

if find_spec("anny") is None or find_spec("numba") is None:
    pytest.skip("needs the extra 'synth': uv sync --extra synth", allow_module_level=True)

from deformgan.datasets.correspondence import correspond
from deformgan.datasets.surfaces import FACE, NOTHING, Surface
from deformgan.rendering import Camera, Posture, people, picture, render_people, sample_identity
from deformgan.rendering.animals import picture as animals
from deformgan.rendering.animals.coat import PIECES
from deformgan.rendering.animals.picture import (
    render_animals,
    sample_animal_shot,
    sample_individual,
)
from deformgan.rendering.body import load_body_model
from deformgan.rendering.crowd import Passerby
from deformgan.rendering.dataset import sample_shot
from deformgan.rendering.frame import fit_frame
from deformgan.rendering.rasterizer import rasterize
from deformgan.rendering.things import Thing
from deformgan.rendering.wardrobe import LAYERS, dress
from deformgan.skeletons.openpose18 import OPENPOSE18

slow = [pytest.mark.slow, pytest.mark.timeout(900)]
KINDS = [pytest.param("people", marks=slow), "animals"]
SIZES = {"people": (128, 64), "animals": (96, 96)}


def plain(shot):
    """Alone, in even light that comes from everywhere, by a sharp camera without noise."""
    light = replace(
        shot.light, sun=0.0, motion=(0.0, 0.0), blur=0.0, noise=0.0, edges=0.0, haze=0.0
    )
    return replace(shot, light=light, others=(), before=())


def shots(kind, number=1, views=2):
    if kind == "animals":
        individual = sample_individual(number)
        return [sample_animal_shot(individual, 0, view) for view in range(views)]
    drawn = [sample_shot(sample_identity(770_000 + number), 3, view) for view in range(views)]
    return [replace(s, posture=replace(s.posture, holds_phone=False)) for s in drawn]


def standing(number=9001, heading=0.0, **given):
    shot = plain(sample_shot(sample_identity(number), seed=3, view=0))
    camera = Camera(height=1.8, distance=8.0)
    return replace(shot, posture=Posture(heading=heading, **given), camera=camera)


def render(kind, taken, size=None):
    size = SIZES[kind] if size is None else size
    return (render_people if kind == "people" else render_animals)(taken, size)


def surface_of(rendered, row=0):
    """As it is read from its file."""
    return Surface(rendered.surface[row].half().float(), rendered.layer[row])


def same_piece(source, target, found):
    """Places of the matched target pixels, and of the source pixels that they are matched with."""
    x, y = found.source_from_target[:, found.matched].round().long()
    return target.place[:, found.matched], source.place[:, y, x]


class Known:
    """A shot, as the renderer has it: its triangles in the world and in the picture."""

    def __init__(self, kind, shot, size):
        self.camera, self.size = shot.camera, size
        if kind == "people":
            dressed = dress(load_body_model().shape(shot.identity.build), shot.identity, False)
            person = people._pose(shot, dressed)
            solid, box = people._solid(shot, person), people._box(shot, person)
        else:
            body = animals.move(shot.individual.build, shot.stance)
            solid = animals._solid(shot, body)
            tangents, _ = shot.camera.look(body.vertices)
            box = np.stack([tangents.min(axis=0), tangents.max(axis=0)])
        self.solid, self.frame = solid, fit_frame(shot.camera, box, size)
        self.shot = shot

    def fragments(self, times=1):
        """What is nearest, in pixels smaller by a factor."""
        frame = self.frame.times(times)
        tangents, depth = self.camera.look(self.solid.world)
        size = (self.size[0] * times, self.size[1] * times)
        return rasterize(
            frame.pixels(tangents), 1 / depth, self.solid.triangles, size, self.solid.keep
        )

    def exact(self, target, times=4):
        """For every target pixel, where its point is here, and how far behind what is seen.

        The point is that of the target's triangle, in this picture's posture: no place at rest is
        involved. Depth is looked up in pixels smaller by a factor.
        """
        fragments = target.fragments()
        covered = fragments.triangle >= 0
        points = fragments.interpolate(self.solid.world, self.solid.triangles)
        tangents, depth = self.camera.look(points)
        pixels = np.full((*covered.shape, 2), np.nan)
        pixels[covered] = self.frame.pixels(tangents)
        behind = np.full(covered.shape, np.inf)
        fine = self.frame.times(times)
        shape = (self.size[0] * times, self.size[1] * times)
        at = np.rint(fine.pixels(tangents)).astype(int)
        inside = ((at >= 0) & (at < shape[::-1])).all(axis=1)
        at = at.clip(0, np.array(shape[::-1]) - 1)
        _, before = picture._before(self.shot, fine, shape)
        nearest = self.fragments(times).inverse_depth[at[:, 1], at[:, 0]]
        free = inside & (nearest > 0) & (before[at[:, 1], at[:, 0]] == 0)
        behind[covered] = np.where(free, depth - 1 / nearest.clip(1e-9), np.inf)
        return torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(behind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1, 2])
def test_matches_are_where_the_triangles_are(kind, scale):
    errors, wrong, missed, bodies = [], 0, 0, 0
    size = (SIZES[kind][0] * scale, SIZES[kind][1] * scale)
    for number in range(1, 4):
        taken = shots(kind, number)
        rendered = render(kind, taken, size)
        known = [Known(kind, shot, size) for shot in taken]
        for source, target in ((0, 1), (1, 0)):
            found = correspond(surface_of(rendered, source), surface_of(rendered, target))
            pixels, behind = known[source].exact(known[target])
            seen = found.visible
            errors.append((found.source_from_target - pixels).norm(dim=0)[seen & (behind < 0.03)])
            wrong += int((seen & (behind > 0.05)).sum())
            missed += int((found.body & ~seen & (behind < 0.005)).sum())
            bodies += int(found.body.sum())
    error = torch.cat(errors)
    assert len(error) > 1000
    assert error.mean() < 0.08
    assert error.quantile(0.99) < 0.8
    assert error.max() < 3
    # Outlines and what is seen at a slant are a pixel wide either way.
    assert wrong < 0.015 * bodies
    assert missed < 0.05 * bodies


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_corresponds_with_itself_pixel_by_pixel(kind):
    rendered = render(kind, shots(kind, 2))
    for row in (0, 1):
        picture = surface_of(rendered, row)
        body = picture.layer != NOTHING
        found = correspond(picture, picture)
        assert body.sum() > 500
        assert torch.equal(found.visible, body)
        assert torch.equal(found.matched, body)
        y, x = torch.nonzero(body, as_tuple=True)
        wanted = torch.stack([x, y]).float()
        assert (found.source_from_target[:, body] - wanted).abs().max() < 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_pixel_shows_the_same_at_three_times_the_size(kind):
    # The centre of a pixel is that of the middle one of nine: body, layers and all that stands
    # before are the same there, exactly.
    taken = shots(kind, 3)
    if kind == "people":
        things = (
            Thing("bicycle", 0.1, -0.8, (0.5, 0.2, 0.2), (0.9, 0.2, 0.5, 0.5)),
            Thing("post", -0.2, -1.0, (0.5, 0.5, 0.2), (0.9, 0.2, 0.5, 0.5)),
        )
        taken[0] = replace(taken[0], before=things)
        taken[1] = replace(taken[1], others=(Passerby(1, 0.35, -1.0, 20.0),))
    height, width = SIZES[kind]
    coarse, fine = render(kind, taken), render(kind, taken, (3 * height, 3 * width))
    assert torch.equal(coarse.layer, fine.layer[:, 1::3, 1::3])
    apart = (coarse.surface - fine.surface[:, :, 1::3, 1::3]).abs()
    assert apart.max() < 1e-6
    if kind == "people":
        without = render(kind, [replace(shot, others=(), before=()) for shot in taken])
        hidden = (without.layer != NOTHING) & (coarse.layer == NOTHING)
        assert hidden.flatten(1).sum(dim=1).min() > 30
        # What is not hidden is what it was.
        rest = coarse.layer != NOTHING
        assert torch.equal(coarse.layer[rest], without.layer[rest])


@pytest.mark.parametrize("kind", KINDS)
def test_a_surface_is_where_the_mask_is(kind):
    taken = [plain(shot) for shot in shots(kind, 1)]
    rendered = render(kind, taken)
    body = rendered.layer != NOTHING
    assert body[rendered.mask == 1].all()
    assert not body[rendered.mask == 0].any()
    assert torch.equal((rendered.surface != 0).any(dim=1), body)


@pytest.mark.parametrize("kind", KINDS)
def test_colours_that_are_moved_are_the_targets_where_the_light_is_equal(kind):
    shot = plain(shots(kind, 4)[0])
    moved = replace(shot.camera, distance=shot.camera.distance * 0.8, height=shot.camera.height)
    rendered = render(kind, [shot, replace(shot, camera=moved)], (256, SIZES[kind][1] * 2))
    source, target = surface_of(rendered, 0), surface_of(rendered, 1)
    found = correspond(source, target)
    # Away from outlines, where a pixel has some of the scene's colour.
    inner = torch.nn.functional.max_pool2d(1 - rendered.mask[1:2], 5, 1, 2)[0] == 0
    seen = found.visible & inner
    assert seen.sum() > 3000
    x, y = found.source_from_target
    height, width = found.body.shape
    grid = torch.stack([(x + 0.5) * 2 / width - 1, (y + 0.5) * 2 / height - 1], dim=-1)
    warped = torch.nn.functional.grid_sample(rendered.image[:1], grid[None], align_corners=False)
    error = (warped[0] - rendered.image[1]).abs().mean(dim=0)[seen]
    still = (rendered.image[0] - rendered.image[1]).abs().mean(dim=0)[seen]
    assert error.mean() < 0.04
    assert error.mean() < 0.5 * still.mean()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_left_and_right_of_people_are_never_exchanged():
    # At rest arms hang slantwise and legs are moved apart: 0.17 m from the middle there are nothing
    # but arms above the hips, and below them each leg is all on its own side.
    turns = (0.0, 90.0, 180.0, 270.0)
    for number in (9001, 9002):
        rendered = render("people", [standing(number, heading) for heading in turns])
        limbs = 0
        for row in range(4):
            for other in range(4):
                source, target = surface_of(rendered, row), surface_of(rendered, other)
                asked, got = same_piece(source, target, correspond(source, target))
                limb = (asked[0].abs() > 0.17) | (asked[2] < -0.2)
                limbs += int(limb.sum())
                assert torch.equal(got[0][limb].sign(), asked[0][limb].sign())
        assert limbs > 2000
        # x points to the body's left: who faces the camera has it on the picture's right.
        facing = surface_of(rendered)
        names = [f"left_{joint}" for joint in ("ankle", "knee", "elbow")]
        for x, y in rendered.pose.joints[0, OPENPOSE18.indices(names)].round().long():
            assert facing.place[0, y, x] > 0.1


def test_left_and_right_legs_of_animals_are_never_exchanged():
    legs = 0
    for number in range(1, 5):
        rendered = render("animals", shots("animals", number, 3))
        for row in range(3):
            for other in range(3):
                source, target = surface_of(rendered, row), surface_of(rendered, other)
                found = correspond(source, target)
                asked, got = same_piece(source, target, found)
                piece = target.layer[found.matched]
                leg = (piece == PIECES.index("leg")) | (piece == PIECES.index("paw"))
                legs += int(leg.sum())
                assert torch.equal(got[1][leg].sign(), asked[1][leg].sign())
    assert legs > 2000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_place_on_a_leg_is_near_one_on_the_other_or_on_an_arm():
    from scipy.spatial import KDTree

    for number in (9001, 9002, 9003):
        person = sample_identity(number)
        dressed = dress(load_body_model().shape(person.build), person)
        bones = dressed.body.model.bones

        def share(*beginnings, end="", bones=bones, dressed=dressed):
            names = [n for n, b in enumerate(bones) if b.startswith(beginnings) and b.endswith(end)]
            return dressed.weights[:, names].sum(axis=1)

        leg = ("upperleg", "lowerleg", "foot", "toe")
        left, right = (share(*leg, end=end) > 0.9 for end in (".L", ".R"))
        arm = share("upperarm", "lowerarm", "wrist", "finger", "metacarpal") > 0.9
        places = dressed.apart()
        for one, other in ((left, right), (left, arm), (right, arm)):
            assert KDTree(places[one]).query(places[other])[0].min() > 0.1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_face_is_seen_from_before_only_and_is_never_guessed():
    front, back = (surface_of(render("people", [standing(heading=turn)])) for turn in (0.0, 180.0))
    face = front.layer == FACE
    assert face.sum() > 20
    assert not (back.layer == FACE).any()
    found = correspond(back, front)
    assert not found.matched[face].any()
    # Nor is the back of the head painted with it, whereas a shirt's front is what its back is.
    x, y = correspond(front, back).source_from_target.round().long()
    hair = back.layer == LAYERS.index("hair")
    guessed = correspond(front, back).matched & hair
    assert not (front.layer[y, x] == FACE)[guessed].any()
    top = front.layer == LAYERS.index("top")
    assert found.matched[top].float().mean() > 0.8
    assert found.visible[top].float().mean() < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_surfaces_are_the_same_whatever_is_rendered_beside_them(kind):
    taken = shots(kind, 5)
    together, again = render(kind, taken), render(kind, taken[1:])
    assert torch.equal(together.surface[1], again.surface[0])
    assert torch.equal(together.layer[1], again.layer[0])
    assert torch.equal(together[1].surface, again.surface)
    assert together.surface.dtype == torch.float32
    assert together.surface.abs().max() < 2  # where half precision is exact to half a millimetre
