"""Tests of `deformgan skeleton show`: the picture shows what moves."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.cli.main import main
from deformgan.cli.skeleton import picture
from deformgan.cli.skeleton.layout import lay_out
from deformgan.cli.skeleton.picture import FRAME, STAGE, set_stage
from deformgan.errors import InputError
from deformgan.parts import part_masks
from deformgan.skeletons import SKELETONS, find_skeleton, find_skeleton_file
from deformgan.skeletons.skeleton_file import parse_skeleton_file

# Sixty-eight joints take a minute; they are one more instance of the same.
EVERY = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "face68" else name
        for name in SKELETONS
    ],
)


def without_example(name):
    content = json.loads(find_skeleton_file(name).model_dump_json())
    return parse_skeleton_file({**content, "example": {}}, "it")


def show(*words):
    from deformgan.cli.skeleton.show import show as command

    return command(*words[:1], **dict(zip(words[1::2], words[2::2], strict=True)))


def test_the_command_writes_a_picture_and_says_what_is_in_it(tmp_path, capsys):
    out = tmp_path / "hand.png"
    assert main(["skeleton", "show", "hand21", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("hand21: 21 joints, 0 mirrored pairs, 20 bones, 17 parts\n")
    assert "  hand: image, needs 4 of 5 joints, mandatory\n" in said
    assert said.endswith(f"wrote {out}\n")
    with Image.open(out) as image:
        assert image.format == "PNG"
        assert min(image.size) > STAGE
    assert main(["skeleton", "show", "hand22", "--out", str(out)]) == 2
    assert "Unknown skeleton 'hand22'" in capsys.readouterr().err


def test_the_definition_it_writes_is_the_skeleton(tmp_path):
    file = tmp_path / "mine.json"
    show("quadruped20", "out", tmp_path / "q.png", "json", file)
    assert find_skeleton(str(file)) == SKELETONS["quadruped20"]
    assert find_skeleton_file(str(file)).example == find_skeleton_file("quadruped20").example
    content = json.loads(file.read_text())
    content["name"] = "horse"
    file.write_text(json.dumps(content))
    show(str(file), "out", tmp_path / "horse.png")
    assert (tmp_path / "horse.png").is_file()


def test_nothing_is_written_where_nothing_can_be(tmp_path):
    with pytest.raises(InputError, match=r"q\.jpg: its name must end in \.png"):
        show("hand21", "out", tmp_path / "q.jpg")
    with pytest.raises(InputError, match="does not exist"):
        show("hand21", "out", tmp_path / "absent" / "q.png")
    with pytest.raises(InputError, match="does not exist"):
        show("hand21", "out", tmp_path / "q.png", "json", tmp_path / "absent" / "q.json")
    assert not list(tmp_path.iterdir())


@EVERY
def test_what_is_tinted_is_what_moves(name, monkeypatch):
    # Without bones and numbers, the drawing is paper but for the parts.
    monkeypatch.setattr(picture, "_draw_bones", lambda *_: None)
    monkeypatch.setattr(picture, "_draw_numbers", lambda *_: None)
    monkeypatch.setattr(picture, "WHOLE", 0.0)
    file = find_skeleton_file(name)
    stage = set_stage(file)
    drawing = Image.new(
        "RGB", (stage.size[1] * picture.FINE, stage.size[0] * picture.FINE), "white"
    )
    picture.draw_parts(drawing, stage)
    tinted = (np.array(drawing).min(axis=2) < 250)[:: picture.FINE, :: picture.FINE]
    moves = part_masks(stage.pose, stage.skeleton, stage.size)[0]
    limited = [part.region != "image" for part in stage.skeleton.parts]
    expected = moves[limited].any(dim=0).numpy()
    inner = np.s_[FRAME // 2 : -FRAME // 2, FRAME // 2 : -FRAME // 2]  # the image part has a rim
    # Masks are enlarged, which rounds their corners.
    assert (tinted != expected)[inner].mean() < 0.005


@EVERY
@pytest.mark.parametrize("own", [True, False], ids=["example", "laid out"])
def test_all_joints_and_parts_are_on_the_stage(name, own):
    stage = set_stage(find_skeleton_file(name) if own else without_example(name))
    height, width = stage.size
    assert max(height, width) == pytest.approx(STAGE, abs=2)
    x, y = stage.pose.joints[0].unbind(dim=1)
    assert ((x >= FRAME - 1) & (x <= width - FRAME + 1)).all()
    assert ((y >= FRAME - 1) & (y <= height - FRAME + 1)).all()
    masks = part_masks(stage.pose, stage.skeleton, stage.size)[0]
    limited = [part.region != "image" for part in stage.skeleton.parts]
    edges = torch.ones(stage.size, dtype=torch.bool)
    edges[FRAME // 2 : -FRAME // 2, FRAME // 2 : -FRAME // 2] = False
    assert not (masks[limited].any(dim=0) & edges).any()


@EVERY
def test_no_number_hides_another_or_a_joint(name):
    stage = set_stage(find_skeleton_file(name))
    boxes = picture.place_numbers(stage)
    assert len(boxes) == len(stage.skeleton.joints)
    joints = stage.pose.joints[0].numpy() * picture.FINE
    for number, box in enumerate(boxes):
        inside = (joints > np.array(box[:2])) & (joints < np.array(box[2:]))
        assert not inside.all(axis=1).any()
        for other in boxes[number + 1 :]:
            apart = box[2] <= other[0] or other[2] <= box[0]
            assert apart or box[3] <= other[1] or other[3] <= box[1]


def test_twins_share_a_hue_and_all_colours_differ():
    for name in SKELETONS:
        colours = set_stage(find_skeleton_file(name)).colours
        assert len(set(colours)) == len(colours)


def test_a_joint_that_the_example_leaves_out_is_not_shown():
    content = json.loads(find_skeleton_file("quadruped20").model_dump_json())
    del content["example"]["tail_tip"]
    stage = set_stage(parse_skeleton_file(content, "it"))
    assert stage.pose.visible[0].tolist() == [True] * 19 + [False]
    masks = part_masks(stage.pose, stage.skeleton, stage.size)[0]
    assert not masks[-1].any()
    assert picture.draw_skeleton(parse_skeleton_file(content, "it")).ndim == 3


@EVERY
def test_a_layout_spreads_the_joints_with_bones_of_one_length(name):
    skeleton = SKELETONS[name]
    places = lay_out(skeleton)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert apart[~np.eye(len(places), dtype=bool)].min() > 0.1
    bones = [apart[tuple(skeleton.indices(bone))] for bone in skeleton.limbs]
    assert 0.4 < np.median(bones) < 1.6
    np.testing.assert_array_equal(places, lay_out(skeleton))
    if skeleton.mirrored:
        right, left = (skeleton.indices(side) for side in zip(*skeleton.mirrored, strict=True))
        across = (places[left] - places[right]).sum(axis=0)
        assert across[0] > 0
        assert across[1] == pytest.approx(0, abs=1e-6)


def test_a_layout_of_a_chain_is_straight_and_to_scale():
    joints = [f"j{number}" for number in range(6)]
    chain = parse_skeleton_file(
        {
            "name": "snake",
            "joints": joints,
            "limbs": [[joints[n], joints[n + 1]] for n in range(5)],
            "parts": [{"name": "all", "region": "image", "joints": joints, "mandatory": True}],
            "unit": [["j0", "j5"]],
        },
        "it",
    ).skeleton()
    places = lay_out(chain)
    assert np.linalg.norm(places[0] - places[5]) == pytest.approx(5, rel=0.02)
    assert places[0, 1] < places[5, 1]  # the first is at the top
