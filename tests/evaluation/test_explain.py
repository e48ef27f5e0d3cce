"""What is explained is what the generator does."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from deformgan.affine import normalize, part_transforms
from deformgan.datasets.bundled_people import bundled_people
from deformgan.draw.colours import flow_colours
from deformgan.draw.poses import part_outlines
from deformgan.errors import InputError
from deformgan.evaluation.explain import (
    describe_layers,
    describe_parts,
    describe_skips,
    describe_transform,
    explain,
    in_pixels,
    skip_maps,
)
from deformgan.evaluation.explain_layers import ruled
from deformgan.evaluation.explain_pictures import draw_explanation
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.pair import View
from deformgan.parts import inside_polygon, part_masks, part_regions
from deformgan.pixels import to_image
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)
TINY = {"encoder_widths": (4, 4, 4, 4, 4, 4), "decoder_widths": (4, 4, 4, 4, 4)}


def tiny(**config):
    torch.manual_seed(0)
    return Generator(GeneratorConfig(**TINY, **config)).eval()


def layered(**settings):
    layers = LayersConfig(field_widths=(8, 8, 8), detail_widths=(4, 4), **settings)
    return tiny(upsampling="resize", blend=True, layers=layers)


def layers_of(generator, source, target):
    layers = explain(generator, source, target).layers
    assert layers is not None
    return layers


def enlarged(source, target):
    """The same photo and poses at twice the size."""
    image = F.interpolate(source.image, scale_factor=2, mode="bilinear")
    poses = [Pose(2 * pose.joints + 0.5, pose.visible) for pose in (source.pose, target)]
    return View(image, poses[0]), poses[1]


def views():
    people = bundled_people()
    photo, other = people[0][0], people[3][1]
    return View(to_image(photo.photo), photo.pose), other.pose


def without(pose, *names):
    visible = pose.visible.clone()
    visible[:, OPENPOSE18.indices(names)] = False
    return Pose(pose.joints, visible)


def test_the_result_and_the_skips_are_those_of_the_generator():
    generator, (source, target) = tiny(), views()
    explanation = explain(generator, source, target)
    with torch.no_grad():
        assert torch.equal(explanation.activations.output, generator(source, target))
    for level, (before, after) in enumerate(skip_maps(explanation)):
        skip = explanation.activations.skips[level][0]
        still = explanation.activations.target[level][0]
        assert torch.equal(skip[len(skip) - len(still) :], still)
        assert torch.equal(skip[: len(skip) - len(still)].abs().mean(dim=0), after)
        assert torch.equal(explanation.activations.source[level][0].abs().mean(dim=0), before)
    assert [skip["deformed"] for skip in describe_skips(explanation)] == [True] * 4 + [False]


@pytest.mark.parametrize("frame", ["half_pixel", "strided"])
def test_the_transforms_are_in_pixels(frame):
    source, target = views()
    explanation = explain(tiny(frame=frame), source, target)
    poses = (source.pose.to(torch.float64), target.to(torch.float64))
    transforms, found = part_transforms(*poses, OPENPOSE18)
    moved = torch.tensor([origin in ("own", "twin") for origin in explanation.origins])
    assert torch.equal(moved, found[0])
    torch.testing.assert_close(explanation.source_from_target, transforms[0], atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(in_pixels(normalize(transforms, SIZE), SIZE), transforms)


def test_moved_parts_are_the_photo_read_through_transform_and_mask():
    source, target = views()
    explanation = explain(tiny(), source, target)
    photo = (source.image + 1) / 2
    for place, mask in enumerate(part_masks(target, OPENPOSE18, SIZE)[0]):
        theta = explanation.guide.transforms[0][:, place].float()
        grid = F.affine_grid(theta, [1, 3, *SIZE], align_corners=False)
        expected = F.grid_sample(photo, grid, align_corners=False)[0] * mask
        if explanation.origins[place] not in ("own", "twin"):
            expected = torch.zeros_like(expected)
        torch.testing.assert_close(explanation.warped_parts[place], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(explanation.warped, explanation.warped_parts.amax(dim=0))


@pytest.mark.parametrize("degrees", [-150, -30, 0, 45, 90])
def test_rotation_and_scale_are_those_that_were_put_in(degrees):
    angle = math.radians(degrees)
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    ).double()
    target_from_source = 1.25 * turn
    back = torch.linalg.inv(target_from_source)
    described = describe_transform(torch.cat([back, torch.tensor([[3.0], [4.0]])], dim=1))
    assert described["rotation"] == pytest.approx(degrees)
    assert described["scale"] == pytest.approx(1.25)
    assert described["stretch"] == pytest.approx([1.25, 1.25])
    assert described["determinant"] == pytest.approx(1 / 1.25**2)
    assert not described["mirrored"]


def test_a_limb_turns_clockwise_as_on_the_screen():
    # From hanging straight down to pointing right: a quarter turn against the clock.
    source, _ = views()
    down, right = source.pose.joints.clone(), source.pose.joints.clone()
    knee, ankle = OPENPOSE18.indices(["left_knee", "left_ankle"])
    down[0, [knee, ankle]] = torch.tensor([[30.0, 80.0], [30.0, 100.0]])
    right[0, [knee, ankle]] = torch.tensor([[30.0, 80.0], [50.0, 80.0]])
    seen = torch.ones_like(source.pose.visible)
    explanation = explain(tiny(), View(source.image, Pose(down, seen)), Pose(right, seen))
    shin = describe_parts(explanation)[OPENPOSE18.part_index("left_shin")]
    assert shin["rotation"] == pytest.approx(-90, abs=0.01)
    assert shin["scale"] == pytest.approx(1, abs=1e-4)


def test_mirrored_and_flat_transforms_have_no_rotation():
    mirrored = describe_transform(torch.tensor([[-2.0, 0, 5], [0, 2, 5]]).double())
    assert mirrored["mirrored"]
    assert mirrored["rotation"] is None
    assert mirrored["scale"] == pytest.approx(0.5)
    assert "scale" not in describe_transform(torch.zeros(2, 3).double())


def test_every_part_says_where_it_comes_from_and_what_is_missing():
    source, target = views()
    shown = Pose(source.pose.joints, torch.ones_like(source.pose.visible))
    asked = Pose(target.joints, torch.ones_like(target.visible))
    hidden = View(source.image, without(shown, "left_wrist", "left_ankle", "right_ankle"))
    explanation = explain(tiny(), hidden, without(asked, "right_knee"))
    parts = {part["part"]: part for part in describe_parts(explanation)}
    assert parts["left_forearm"]["origin"] == "twin"
    assert parts["left_forearm"]["from_part"] == "right_forearm"
    assert parts["left_forearm"]["missing"] == {"source": ["left_wrist"], "target": []}
    assert parts["left_shin"]["origin"] == "not_seen"
    assert parts["left_shin"]["source_from_target"] is None
    assert parts["left_shin"]["mask"] == 0
    assert parts["right_thigh"]["origin"] == "not_asked"
    assert parts["right_thigh"]["missing"]["target"] == ["right_knee"]
    assert parts["torso"]["mask"] == 1


def test_repainted_is_the_difference_of_result_and_moved_part():
    source, target = views()
    explanation = explain(tiny(), source, target)
    regions = part_regions(target, OPENPOSE18, SIZE)[0]
    for place, part in enumerate(describe_parts(explanation)):
        if part["source_from_target"] is None:
            assert "repainted" not in part
            continue
        result = explanation.activations.output[0].permute(1, 2, 0)[regions[place]]
        moved = 2 * explanation.warped_parts[place].permute(1, 2, 0)[regions[place]] - 1
        expected = np.mean(np.abs(result.numpy() - moved.numpy()))
        assert part["repainted"] == pytest.approx(expected, abs=1e-6)


def test_weights_without_deformable_skips_are_refused():
    with pytest.raises(InputError, match="'none'"):
        explain(tiny(warp="none"), *views())


def test_outlines_enclose_the_masks():
    source, _ = views()
    pose = without(source.pose, "left_wrist")
    masks = part_masks(pose, OPENPOSE18, SIZE)[0]
    columns, rows = torch.arange(64.0), torch.arange(128.0)
    for part, outline, mask in zip(
        OPENPOSE18.parts, part_outlines(pose, OPENPOSE18), masks, strict=True
    ):
        if outline is None:
            assert not mask.any()
        elif part.region == "image":
            torch.testing.assert_close(outline, pose.joints[0, OPENPOSE18.indices(part.joints)])
        else:
            inside = inside_polygon(outline, columns, rows)
            assert (inside != mask).sum() <= 0.15 * mask.sum()  # a square counts its edges, too


def test_every_picture_is_drawn_and_two_explanations_are_the_same():
    pictures = draw_explanation(explain(tiny(), *views()))
    again = draw_explanation(explain(tiny(), *views()))
    for name, picture in pictures.items():
        assert np.array_equal(np.array(picture), np.array(again[name])), name
    assert pictures["result"].size == (64, 128)
    assert pictures["warped"].size == (256, 512)
    # The sheet holds the large pictures whole.
    sheet, warped = np.array(pictures["explain"]), np.array(pictures["warped"])
    rows = np.flatnonzero((sheet[:, 16 : 16 + 256] == warped[100]).all(axis=(1, 2)))
    assert len(rows) >= 1


def test_all_missing_parts_can_be_drawn():
    source, target = views()
    limbs = [name for name in OPENPOSE18.joints if name not in OPENPOSE18.parts[0].joints]
    explanation = explain(tiny(), source, without(target, *limbs))
    assert set(explanation.origins) == {"own", "not_asked"}
    assert draw_explanation(explanation)["explain"].width > 640


@pytest.mark.parametrize("settings", [{}, {"copy": False}, {"correction": False}, {"base": "hard"}])
@pytest.mark.parametrize("larger", [False, True])
def test_layers_are_those_that_the_generator_puts_its_picture_together_from(settings, larger):
    generator, (source, target) = layered(**settings), views()
    if larger:
        source, target = enlarged(source, target)
    explanation = explain(generator, source, target)
    with torch.no_grad():
        assert torch.equal(explanation.result, generator(source, target))
    assert explanation.result.shape == source.image.shape
    assert explanation.size == SIZE
    assert explanation.layers is not None
    layers = explanation.layers
    person = layers.visible * layers.copy + (1 - layers.visible) * layers.paint
    torch.testing.assert_close(
        explanation.result, layers.matte * person + (1 - layers.matte) * layers.scene
    )


def test_what_is_said_of_layers_is_measured_on_them():
    source, target = views()
    layers = layers_of(layered(), source, target)
    described = describe_layers(layers)
    assert described["size"] == described["field_size"] == [128, 64]
    assert sum(described["made_of"].values()) == pytest.approx(1)
    copy, paint, visible, matte = (
        plane.double().numpy()[0]
        for plane in (layers.copy, layers.paint, layers.visible, layers.matte)
    )
    copied = visible * matte
    assert described["made_of"]["copy"] == pytest.approx(copied.mean())
    assert described["person"] == pytest.approx(matte.mean())
    wanted = np.average(np.abs(copy - paint).mean(axis=0), weights=copied[0])
    assert described["copy_from_paint"] == pytest.approx(wanted)
    # A new network corrects nothing; of one that moves all to the right by 0.3 it is said.
    assert described["correction"] == {"mean": 0, "largest": 0}
    generator = layered()
    with torch.no_grad():
        generator.field.guess.bias.copy_(torch.tensor([0.03, 0.0]))
        generator.field.head[-1].bias[12:].fill_(1.0)  # the matte's, so that somebody is there
    moved = describe_layers(layers_of(generator, source, target))["correction"]
    assert moved["mean"] == pytest.approx(0.3, abs=1e-4)
    assert moved["largest"] == pytest.approx(0.3, abs=1e-4)


def test_without_copies_all_is_paint_and_without_correction_the_field_is_the_base():
    painted = describe_layers(layers_of(layered(copy=False), *views()))
    assert painted["made_of"]["copy"] == painted["copy_from_paint"] == 0
    assert painted["made_of"]["paint"] > 0
    fixed = layers_of(layered(correction=False), *views())
    assert describe_layers(fixed)["correction"]["mean"] == 0


def test_the_layers_are_drawn_too():
    pictures = draw_explanation(explain(layered(), *enlarged(*views())))
    names = {"field_base", "field", "correction", "source_matte", "copy", "visible", "paint"}
    names |= {"person", "matte", "scene"}
    assert names < pictures.keys()
    assert names.isdisjoint(draw_explanation(explain(tiny(), *views())))
    assert pictures["result"].size == (128, 256)
    assert {pictures[name].size for name in names} == {(256, 512)}
    # Nothing is corrected yet.
    assert np.array_equal(np.array(pictures["field"]), np.array(pictures["field_base"]))
    assert (np.array(pictures["correction"]) == 255).all()


def test_in_its_own_pose_the_grid_on_the_photo_stays_where_it_is():
    source, _ = views()
    pose = Pose(source.pose.joints, torch.ones_like(source.pose.visible))
    explanation = explain(layered(), View(source.image, pose), pose)
    drawn = np.array(draw_explanation(explanation)["field_base"]).astype(float)
    assert explanation.layers is not None
    matte = torch.sigmoid(explanation.layers.fields.matte)
    light = F.interpolate(0.2 + 0.8 * matte, scale_factor=4, mode="bilinear")
    expected = 255 * (light * ruled(source.image, (512, 256)))[0].permute(1, 2, 0).numpy()
    assert np.abs(drawn - expected).mean() < 0.6


def test_the_grids_lines_are_eight_pixels_of_the_photo_apart():
    lines = ruled(-torch.ones(1, 3, 32, 16), (128, 64))[0].amax(dim=0)
    assert np.flatnonzero((lines[20] > 0).numpy()).tolist() == [
        first + offset for first in (0, 32) for offset in range(4)
    ]


def test_the_hue_of_an_offset_is_its_direction_and_its_strength_its_length():
    directions = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]]).T[None, :, None]
    full, half, none = (flow_colours(length * directions, 5.0)[:, 0] for length in (5.0, 2.5, 0.0))
    assert torch.equal(none, torch.ones(3, 4))
    torch.testing.assert_close(half, (full + 1) / 2)
    torch.testing.assert_close(flow_colours(9.0 * directions, 5.0)[:, 0], full)
    torch.testing.assert_close(full[:, 0], torch.tensor([1, 0.25, 0.25]))  # to the right: red
    # Opposite directions have complementary colours.
    torch.testing.assert_close(full[:, 0] + full[:, 1], torch.ones(3))
    torch.testing.assert_close(full[:, 2] + full[:, 3], torch.ones(3))
