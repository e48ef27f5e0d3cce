"""A mistake in a skeleton's file is named in one sentence."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deformgan.skeletons
from deformgan.errors import InputError
from deformgan.skeletons import SKELETONS, find_skeleton_file, skeleton_from_json, skeleton_to_json
from deformgan.skeletons.skeleton_file import (
    PartEntry,
    SkeletonFile,
    parse_skeleton_file,
    schema,
)
from tools.markdown import read_blocks

PUBLISHED = Path(deformgan.skeletons.__file__).parent / "skeleton.schema.json"

SCISSORS: dict[str, Any] = {
    "name": "scissors",
    "joints": ["pivot", "right_handle", "right_tip", "left_handle", "left_tip"],
    "mirrored": [["right_handle", "left_handle"], ["right_tip", "left_tip"]],
    "limbs": [["right_handle", "right_tip"], ["left_handle", "left_tip"]],
    "parts": [
        {
            "name": "whole",
            "region": "image",
            "joints": ["right_handle", "right_tip", "left_handle", "left_tip"],
            "mandatory": True,
        },
        {
            "name": "right_blade",
            "region": "limb",
            "joints": ["right_handle", "right_tip"],
            "twin": "left_blade",
        },
        {
            "name": "left_blade",
            "region": "limb",
            "joints": ["left_handle", "left_tip"],
            "twin": "right_blade",
        },
    ],
    "unit": [["right_handle", "right_tip"], ["left_handle", "left_tip"]],
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The scissors with one entry changed, or left out where the value is `...`."""
    content: Any = copy.deepcopy(SCISSORS)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = content
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    elif isinstance(last, int) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return content


def loop() -> dict[str, Any]:
    """Four limbs, each the twin of the next."""
    content = copy.deepcopy(SCISSORS)
    names = ["a", "b", "c", "d"]
    content["parts"][1:] = [
        {
            "name": name,
            "region": "limb",
            "joints": ["pivot", SCISSORS["joints"][place + 1]],
            "twin": names[(place + 1) % 4],
        }
        for place, name in enumerate(names)
    ]
    return content


def hull(**more: object) -> dict[str, Any]:
    """A part to add to the scissors."""
    return {"name": "middle", "region": "hull", "joints": ["pivot", "right_tip"], **more}


# What no schema sees: how the entries go together.
MEANING = {
    "a joint twice": (
        changed("joints.5", "pivot"),
        "the joint 'pivot' is listed twice.",
    ),
    "unknown joint of a part": (
        changed("parts.1.joints.1", "right_tpi"),
        "part 'right_blade' names a joint 'right_tpi', which is not among the joints: pivot, "
        "right_handle, right_tip, left_handle, left_tip.",
    ),
    "unknown anchor": (
        changed("parts.0.anchors", ["screw"]),
        "part 'whole' names a joint 'screw', which is not among the joints: ",
    ),
    "unknown joint of a pair": (
        changed("mirrored.0.0", "handle"),
        "mirrored names a joint 'handle', which is not among the joints: ",
    ),
    "unknown joint of a bone": (
        changed("limbs.0.0", "handle"),
        "limbs names a joint 'handle', which is not among the joints: ",
    ),
    "unknown joint of the unit": (
        changed("unit.0.0", "handle"),
        "unit names a joint 'handle', which is not among the joints: ",
    ),
    "unknown joint of the core": (
        changed("core", ["handle"]),
        "core names a joint 'handle', which is not among the joints: ",
    ),
    "unknown joint of the example": (
        changed("example", {"handle": [0, 0]}),
        "example names a joint 'handle', which is not among the joints: ",
    ),
    "its own mirror image": (
        changed("mirrored.0", ["pivot", "pivot"]),
        "mirrored pairs 'pivot' with itself.",
    ),
    "two mirror images": (
        changed("mirrored.2", ["pivot", "left_tip"]),
        "mirrored lists 'left_tip' twice; a joint is swapped with exactly one other.",
    ),
    "a bone of one joint": (
        changed("limbs.0", ["pivot", "pivot"]),
        "limbs pairs 'pivot' with itself.",
    ),
    "a unit of one joint": (
        changed("unit.0", ["pivot", "pivot"]),
        "unit pairs 'pivot' with itself.",
    ),
    "two parts of one name": (
        changed("parts.1.name", "whole"),
        "two parts are named 'whole'.",
    ),
    "a joint twice in a part": (
        changed("parts.1.joints", ["left_tip", "left_tip"]),
        "part 'right_blade' names the joint 'left_tip' twice.",
    ),
    "a joint that is an anchor too": (
        changed("parts.0.anchors", ["left_tip"]),
        "part 'whole' names the joint 'left_tip' twice.",
    ),
    "a limb of one joint": (
        changed("parts.1.joints", ["left_tip"]),
        "part 'right_blade' is a limb with 1 joint, not 2 (start and end).",
    ),
    "a limb of three joints": (
        changed("parts.1.joints", ["left_tip", "pivot", "right_tip"]),
        "part 'right_blade' is a limb with 3 joints, not 2 (start and end).",
    ),
    "a limb with anchors": (
        changed("parts.1.anchors", ["pivot"]),
        "part 'right_blade' is a limb with anchors; a limb's transform uses only its rectangle.",
    ),
    "too few points for a transform": (
        changed("parts.3", hull()),
        "part 'middle' has 2 points (joints and anchors); the transform of a 'hull' region needs "
        "at least 3.",
    ),
    "content with too few points": (
        changed("parts.0.needs", 2),
        "part 'whole' needs 2 of its joints and has 0 anchors; a transform needs at least "
        "3 points.",
    ),
    "more needs than joints": (
        changed("parts.0.needs", 5),
        "part 'whole' needs 5 joints but has only 4.",
    ),
    "its own twin": (
        changed("parts.1.twin", "right_blade"),
        "part 'right_blade' is its own twin; omit the twin.",
    ),
    "unknown twin": (
        changed("parts.1.twin", "blade"),
        "the twin of part 'right_blade' is 'blade', which is no part: whole, right_blade, "
        "left_blade.",
    ),
    "the twin has no twin": (
        changed("parts.2.twin", ...),
        "the twin of part 'right_blade' is 'left_blade', which has none; twins come in pairs, each "
        "the twin of the other.",
    ),
    "the twin of a twin": (
        changed(
            "parts.3",
            {
                "name": "wire",
                "region": "limb",
                "joints": ["pivot", "left_tip"],
                "twin": "left_blade",
            },
        ),
        "the twin of part 'wire' is 'left_blade', which has the twin 'right_blade'; twins come in "
        "pairs, each the twin of the other.",
    ),
    "a cycle of twins": (
        loop(),
        "the twins a, b, c, d form a cycle of 4; twins come in pairs, each the twin of the other.",
    ),
    "a hull with a twin": (
        changed("parts.3", hull(anchors=["left_tip"], twin="left_blade")),
        "part 'middle' (hull) has the twin 'left_blade' (limb); only limbs can have twins.",
    ),
    "no part of the whole image": (
        changed("parts.0", ...),
        "the first part, 'right_blade', must have the region 'image' and be mandatory: it "
        "moves what no other part covers.",
    ),
    "a whole image that may be missing": (
        changed("parts.0.mandatory", False),
        "the first part, 'whole', must have the region 'image' and be mandatory: ",
    ),
    "a unit that may be missing": (
        changed("unit", [["pivot", "left_tip"]]),
        "unit has no pair of mandatory joints, so a pose could have length 0; the mandatory "
        "joints are right_handle, right_tip, left_handle, left_tip.",
    ),
    "a core that determines nothing": (
        changed("core", ["pivot", "left_tip"]),
        "core has 2 joints; a transform needs at least 3.",
    ),
}

# What the published schema sees too.
FORM = {
    "no name": (changed("name", ...), "'name' is missing."),
    "no joints": (changed("joints", ...), "'joints' is missing."),
    "no region": (changed("parts.1.region", ...), "'parts[1].region' is missing."),
    "unknown entry": (
        changed("bones", []),
        "unknown entry 'bones'; known are name, description, joints, mirrored, limbs, parts, unit,",
    ),
    "unknown entry of a part": (
        changed("parts.1.width", 3),
        "unknown entry 'parts[1].width'; known are name, region, joints, anchors, needs, twin,",
    ),
    "unknown region": (
        changed("parts.1.region", "circle"),
        "parts[1].region should be 'image', 'square', 'limb' or 'hull', got 'circle'.",
    ),
    "a name with a space": (
        changed("name", "my scissors"),
        "name is 'my scissors'; names have 1 to 100 letters, digits, '_', '-' and '.'.",
    ),
    "a name that is none": (changed("parts.1.name", 3), "parts[1].name should be a string, got 3."),
    "too few joints": (
        changed("joints", ["pivot"]),
        "joints has too few entries (minimum 3): ['pivot'].",
    ),
    "no parts": (changed("parts", []), "parts has too few entries (minimum 1): []."),
    "a part without joints": (
        changed("parts.1.joints", []),
        "parts[1].joints has too few entries (minimum 1): [].",
    ),
    "no unit": (changed("unit", []), "unit has too few entries (minimum 1): []."),
    "a bone of three joints": (
        changed("limbs.0", ["pivot", "left_tip", "right_tip"]),
        "limbs[0] has too many entries (maximum 2): [",
    ),
    "half a bone": (changed("limbs.0", ["pivot"]), "limbs[0] has too few entries: ['pivot']."),
    "a text for a number": (
        changed("limb_width", "0.4"),
        "limb_width should be a number, got '0.4'.",
    ),
    "a yes for a number": (
        changed("parts.1.extension", True),
        "parts[1].extension should be a number, got True.",
    ),
    "a text for yes": (
        changed("parts.0.mandatory", "yes"),
        "parts[0].mandatory should be true or false, got 'yes'.",
    ),
    "a number for yes": (changed("upright", 1), "upright should be true or false, got 1."),
    "a number for a list": (changed("joints", 5), "joints should be a list, got 5."),
    "no width": (changed("limb_width", 0), "limb_width should be greater than 0, got 0."),
    "a negative margin": (
        changed("parts.1.margin", -0.1),
        "parts[1].margin should be greater than or equal to 0, got -0.1.",
    ),
    "no needs": (
        changed("parts.1.needs", 0),
        "parts[1].needs should be greater than or equal to 1, got 0.",
    ),
    "half a need": (
        changed("parts.1.needs", 1.5),
        "parts[1].needs should be a whole number, got 1.5.",
    ),
    "a place in space": (
        changed("example", {"pivot": [0, 0, 0]}),
        "example.pivot has too many entries (maximum 2): [0, 0, 0].",
    ),
}


def cases(table: dict[str, tuple[dict[str, Any], str]]) -> Callable:
    """Run a test for every line of a table."""
    return pytest.mark.parametrize(("content", "complaint"), table.values(), ids=table)


def test_the_scissors_are_a_skeleton():
    skeleton = skeleton_from_json(SCISSORS, "scissors.json")
    assert [part.name for part in skeleton.parts] == ["whole", "right_blade", "left_blade"]
    assert [part.needs for part in skeleton.parts] == [4, 2, 2]
    assert skeleton.core == ("right_handle", "right_tip", "left_handle", "left_tip")
    assert skeleton_from_json(skeleton_to_json(skeleton), "it") == skeleton


@cases({**MEANING, **FORM})
def test_a_mistake_is_one_sentence_with_the_file_first(content, complaint):
    with pytest.raises(InputError) as raised:
        skeleton_from_json(content, "my/scissors.json")
    words = str(raised.value)
    assert words.startswith("my/scissors.json: " + complaint)
    assert "\n" not in words
    assert re.search(r"[^.]\.$", words)


@pytest.mark.parametrize("content", [None, 3, "scissors", [SCISSORS]])
def test_what_is_no_object_is_no_skeleton(content):
    with pytest.raises(InputError, match=r"scissors\.json is not a JSON object with 'name'"):
        skeleton_from_json(content, "scissors.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value):
    with pytest.raises(InputError, match="limb_width should be "):
        skeleton_from_json(changed("limb_width", value), "it")
    with pytest.raises(InputError, match=r"example.* should be "):
        skeleton_from_json(changed("example", {"pivot": [value, 0]}), "it")


def test_rings_of_bones_are_no_mistake():
    ring = [["pivot", "right_tip"], ["right_tip", "left_tip"], ["left_tip", "pivot"]]
    assert len(skeleton_from_json(changed("limbs", ring), "it").limbs) == 3


def test_needs_are_all_joints_unless_told():
    content = changed("parts.3", hull(joints=["pivot", "right_tip", "left_tip"]))
    assert skeleton_from_json(content, "it").parts[3].needs == 3
    content["parts"][3]["anchors"] = ["left_handle"]
    content["parts"][3]["needs"] = 2
    assert skeleton_from_json(content, "it").parts[3].needs == 2


def test_the_published_schema_is_what_the_reader_reads():
    assert PUBLISHED.read_text(encoding="utf-8") == schema()


def test_the_schema_accepts_what_the_reader_accepts():
    jsonschema = pytest.importorskip("jsonschema", reason="another implementation of JSON schema")
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(published)
    validator = jsonschema.Draft202012Validator(published)
    contents = [
        SCISSORS,
        *(json.loads(find_skeleton_file(name).model_dump_json()) for name in SKELETONS),
        *(skeleton_to_json(skeleton) for skeleton in SKELETONS.values()),
        *(json.loads((PUBLISHED.parent / f"{name}.json").read_text()) for name in SKELETONS),
    ]
    for content in contents:
        parse_skeleton_file(content, "it")
        validator.validate(content)


@cases(FORM)
def test_the_schema_refuses_what_the_reader_refuses(content, complaint):
    jsonschema = pytest.importorskip("jsonschema", reason="another implementation of JSON schema")
    validator = jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text(encoding="utf-8")))
    assert not validator.is_valid(content), complaint


def test_the_skeleton_in_the_docs_is_one_and_its_entries_are_all_explained():
    docs = Path(__file__).parents[2] / "docs" / "skeletons.md"
    text = docs.read_text(encoding="utf-8")
    shown = [block.code for block in read_blocks(docs) if block.language == "json"]
    assert [parse_skeleton_file(json.loads(block), "docs").name for block in shown] == ["scissors"]
    explained = {
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    entries = {*SkeletonFile.model_fields, *PartEntry.model_fields}
    assert entries == explained - set(SKELETONS)
