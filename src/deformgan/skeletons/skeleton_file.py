"""SkeletonFile: a skeleton as one JSON file, validated with errors that point to the mistake.

    {
      "name": "scissors",
      "description": "Two blades on a pivot.",
      "joints": ["pivot", "right_tip", "left_tip", "right_handle", "left_handle"],
      "mirrored": [["right_tip", "left_tip"], ["right_handle", "left_handle"]],
      "limbs": [["right_handle", "right_tip"], ["left_handle", "left_tip"]],
      "parts": [
        {"name": "whole", "region": "image", "mandatory": true,
         "joints": ["right_tip", "left_tip", "right_handle", "left_handle"]},
        {"name": "right_blade", "region": "limb", "joints": ["right_handle", "right_tip"],
         "twin": "left_blade"},
        {"name": "left_blade", "region": "limb", "joints": ["left_handle", "left_tip"],
         "twin": "right_blade"}
      ],
      "unit": [["right_handle", "right_tip"], ["left_handle", "left_tip"]]
    }

The entries are described in `Skeleton` and `Part`, and in `skeleton.schema.json`, which `schema`
generates.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deformgan.errors import InputError, shortened
from deformgan.pose import Part, Skeleton

FEWEST = 3  # points needed to determine an affine transform
_MOST_SHOWN = 60  # characters of an invalid value to quote
# Pydantic's messages use Python terms; users write JSON.
_SHOULD = {
    "tuple_type": "be a list",
    "dict_type": "be an object",
    "model_type": "be an object",
    "bool_type": "be true or false",
    "string_type": "be a string",
    "int_type": "be a whole number",
    "float_type": "be a number",
    "finite_number": "be finite",
}
_Name = Annotated[str, Field(pattern="^[A-Za-z0-9_.-]{1,100}$")]
_Bone = tuple[_Name, _Name]
# Strict: pydantic would convert "0.1" and true to numbers, which the published schema rejects.
_Share = Annotated[float, Field(ge=0, strict=True)]
_Positive = Annotated[float, Field(gt=0, strict=True)]
_Coordinate = Annotated[float, Field(strict=True)]
_Yes = Annotated[bool, Field(strict=True)]


class PartEntry(BaseModel):
    """A piece of the object that moves by its own transform."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, title="Part")

    name: _Name = Field(description="Unique among the parts.")
    region: Literal["image", "square", "limb", "hull"] = Field(
        description="Area that moves: the whole image; a square around the mean of the joints; the "
        "oriented rectangle from the first joint to the second; or the joints' convex hull."
    )
    joints: tuple[_Name, ...] = Field(
        min_length=1, description="Joints that define the part; two for a limb."
    )
    anchors: tuple[_Name, ...] = Field(
        (), description="Extra joints used to fit the transform; all must be visible."
    )
    needs: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        None,
        description="Number of joints that must be visible in both poses; by default all.",
    )
    twin: _Name | None = Field(
        None, description="Mirrored part whose limb is used if this one is not visible."
    )
    mandatory: _Yes = Field(
        False, description="Whether a pose without all joints of this part is unusable."
    )
    extension: _Share = Field(
        0.1, description="Extension of a limb beyond its second joint, as a share of its length."
    )
    fit_extension: _Share = Field(
        0.1, description="The same in the reference's fit; it affects nothing else."
    )
    margin: _Share = Field(0.0, description="Margin of a hull around its joints, in units.")


class SkeletonFile(BaseModel):
    """A skeleton for deformgan: named joints and the parts they define."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, title="deformgan skeleton")

    name: _Name = Field(description="Different from the built-in skeletons' names.")
    description: str = Field("", description="For readers: the object and the joint convention.")
    joints: tuple[_Name, ...] = Field(
        min_length=FEWEST, description="Joint names in the order of every table and tensor."
    )
    mirrored: tuple[_Bone, ...] = Field(
        (), description="Pairs of joints (right, left) that are swapped in a mirrored image."
    )
    limbs: tuple[_Bone, ...] = Field((), description="Bones to draw; cycles are allowed.")
    parts: tuple[PartEntry, ...] = Field(
        min_length=1,
        description="The first part must be mandatory and move the whole image, so that every "
        "pixel has a source.",
    )
    unit: tuple[_Bone, ...] = Field(
        min_length=1, description="Segments whose root mean square length is the unit of length."
    )
    core: tuple[_Name, ...] = Field(
        (),
        description="Joints used to fit the single global transform of ablations; by default the "
        "mandatory ones.",
    )
    limb_width: _Positive = Field(0.4, description="Full width of a limb rectangle, in units.")
    square_half: _Positive = Field(0.4, description="Half side of a square, in units.")
    upright: _Yes = Field(
        False,
        description="Whether the unit segments are vertical in nearly all images; `data check` "
        "then reports a table in which they are horizontal as having swapped axes.",
    )
    example: dict[_Name, tuple[_Coordinate, _Coordinate]] = Field(
        {},
        description="A typical pose for `skeleton show`: (x, y), from 0 at the top left to 1 at "
        "the end of the longer side.",
    )

    def skeleton(self) -> Skeleton:
        """Convert to the `Skeleton` that the method uses."""
        parts = tuple(
            Part(**part.model_dump(exclude={"needs"}), needs=part.needs or len(part.joints))
            for part in self.parts
        )
        own = [joint for part in parts if part.mandatory for joint in part.joints]
        return Skeleton(
            name=self.name,
            joints=self.joints,
            mirrored=self.mirrored,
            limbs=self.limbs,
            parts=parts,
            unit=self.unit,
            core=self.core or tuple(dict.fromkeys(own)),
            limb_width=self.limb_width,
            square_half=self.square_half,
            upright=self.upright,
        )


def parse_skeleton_file(content: object, source: str) -> SkeletonFile:
    """Validate the parsed JSON of a skeleton file.

    Args:
        content: The parsed JSON.
        source: Name of the file in error messages.

    Raises:
        InputError: At the first error found.
    """
    if not isinstance(content, dict):
        raise InputError(f"{source} is not a JSON object with 'name', 'joints', 'parts', 'unit'.")
    try:
        file = SkeletonFile.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{source}: {_say(error)}.") from None
    for complaint in _complaints(file):
        raise InputError(f"{source}: {complaint}")
    return file


def skeleton_from_json(content: object, source: str) -> Skeleton:
    """Build a skeleton from parsed JSON; arguments and errors as in `parse_skeleton_file`."""
    return parse_skeleton_file(content, source).skeleton()


def skeleton_to_json(skeleton: Skeleton) -> dict[str, Any]:
    """Convert a skeleton to the JSON that `skeleton_from_json` reads."""
    return json.loads(json.dumps(asdict(skeleton)))


def _say(error: ValidationError) -> str:
    """Describe pydantic's first error in JSON terms."""
    first = error.errors()[0]
    place, parent = "", ""
    for step in first["loc"]:
        parent = place
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
    place = shortened(place)
    shown = repr(first["input"])
    if len(shown) > _MOST_SHOWN:
        shown = f"{shown[:_MOST_SHOWN]}..."
    limits = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            known = PartEntry if place.startswith("parts[") else SkeletonFile
            words = f"unknown entry {place!r}; known are {', '.join(known.model_fields)}"
        case "missing" if place.endswith("]"):
            words = f"{parent} has too few entries: {shown}"
        case "missing":
            words = f"{place!r} is missing"
        case "string_pattern_mismatch":
            words = f"{place} is {shown}; names have 1 to 100 letters, digits, '_', '-' and '.'"
        case "too_short":
            words = f"{place} has too few entries (minimum {limits['min_length']}): {shown}"
        case "too_long":
            words = f"{place} has too many entries (maximum {limits['max_length']}): {shown}"
        case kind:
            should = _SHOULD.get(kind, first["msg"].removeprefix("Input should "))
            words = f"{place} should {should}, got {shown}"
    return words


def _complaints(file: SkeletonFile) -> Iterable[str]:
    """Yield errors that no schema can detect: inconsistencies between entries."""
    if doubled := _repeated(file.joints):
        yield f"the joint {doubled!r} is listed twice."
    for place, names in _mentions(file):
        if unknown := [name for name in names if name not in file.joints]:
            yield (
                f"{place} names a joint {unknown[0]!r}, which is not among the joints: "
                f"{', '.join(file.joints)}."
            )
    for what, pairs in (("mirrored", file.mirrored), ("limbs", file.limbs), ("unit", file.unit)):
        for one, other in pairs:
            if one == other:
                yield f"{what} pairs {one!r} with itself."
    if doubled := _repeated([name for pair in file.mirrored for name in pair]):
        yield f"mirrored lists {doubled!r} twice; a joint is swapped with exactly one other."
    if doubled := _repeated([part.name for part in file.parts]):
        yield f"two parts are named {doubled!r}."
    for part in file.parts:
        yield from _complaints_of_part(part)
    yield from _complaints_of_twins(file.parts)
    first = file.parts[0]
    if first.region != "image" or not first.mandatory:
        yield (
            f"the first part, {first.name!r}, must have the region 'image' and be mandatory: it "
            "moves what no other part covers."
        )
    certain = {joint for part in file.parts if part.mandatory for joint in part.joints}
    if not any(certain.issuperset(pair) for pair in file.unit):
        yield (
            "unit has no pair of mandatory joints, so a pose could have length 0; the mandatory "
            f"joints are {', '.join(joint for joint in file.joints if joint in certain)}."
        )
    if 0 < len(file.core) < FEWEST:
        yield f"core has {len(file.core)} joints; a transform needs at least {FEWEST}."


def _complaints_of_part(part: PartEntry) -> Iterable[str]:
    named = f"part {part.name!r}"
    if doubled := _repeated([*part.joints, *part.anchors]):
        yield f"{named} names the joint {doubled!r} twice."
    if part.region == "limb" and len(part.joints) != 2:
        yield f"{named} is a limb with {_many(len(part.joints), 'joint')}, not 2 (start and end)."
    if part.region == "limb" and part.anchors:
        yield f"{named} is a limb with anchors; a limb's transform uses only its rectangle."
    points = len(part.joints) + len(part.anchors)
    if part.region != "limb" and points < FEWEST:
        yield (
            f"{named} has {_many(points, 'point')} (joints and anchors); the transform of a "
            f"{part.region!r} region needs at least {FEWEST}."
        )
    needs = part.needs or len(part.joints)
    if needs > len(part.joints):
        yield f"{named} needs {needs} joints but has only {len(part.joints)}."
    if part.region != "limb" and needs + len(part.anchors) < FEWEST:
        yield (
            f"{named} needs {needs} of its joints and has {_many(len(part.anchors), 'anchor')}; a "
            f"transform needs at least {FEWEST} points."
        )


def _complaints_of_twins(parts: Sequence[PartEntry]) -> Iterable[str]:
    by_name = {part.name: part for part in parts}
    for part in parts:
        if part.twin is None:
            continue
        named = f"part {part.name!r}"
        if part.twin == part.name:
            yield f"{named} is its own twin; omit the twin."
        if part.twin not in by_name:
            yield f"the twin of {named} is {part.twin!r}, which is no part: {', '.join(by_name)}."
        twin = by_name[part.twin]
        if part.region != "limb" or twin.region != "limb":
            yield (
                f"{named} ({part.region}) has the twin {part.twin!r} ({twin.region}); only limbs "
                "can have twins."
            )
        if twin.twin == part.name:
            continue
        circle = _circle(part, by_name)
        if circle:
            yield (
                f"the twins {', '.join(circle)} form a cycle of {len(circle)}; twins come in "
                "pairs, each the twin of the other."
            )
        other = "has none" if twin.twin is None else f"has the twin {twin.twin!r}"
        yield (
            f"the twin of {named} is {part.twin!r}, which {other}; twins come in pairs, each the "
            "twin of the other."
        )


def _circle(part: PartEntry, by_name: Mapping[str, PartEntry]) -> list[str]:
    """Follow twins from a part; return the cycle back to it, or an empty list if there is none."""
    chain = [part.name]
    twin = part.twin
    while twin is not None and twin in by_name and twin not in chain:
        chain.append(twin)
        twin = by_name[twin].twin
    return chain if twin == part.name else []


def _mentions(file: SkeletonFile) -> Iterable[tuple[str, Iterable[str]]]:
    for what, pairs in (("mirrored", file.mirrored), ("limbs", file.limbs), ("unit", file.unit)):
        yield what, [name for pair in pairs for name in pair]
    for part in file.parts:
        yield f"part {part.name!r}", [*part.joints, *part.anchors]
    yield "core", file.core
    yield "example", file.example


def _repeated(names: Sequence[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def schema() -> str:
    """Return the JSON schema of skeleton files (draft 2020-12), as published with the package."""
    described = SkeletonFile.model_json_schema()
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}
    return json.dumps(described, indent=2) + "\n"
