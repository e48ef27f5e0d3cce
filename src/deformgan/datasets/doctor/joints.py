"""Checks of the joints in a table: outside the image, swapped axes, all missing."""

from dataclasses import replace

import numpy as np
import torch

from deformgan.datasets.doctor.contents import Contents
from deformgan.datasets.doctor.finding import Finding
from deformgan.datasets.doctor.image_files import Decoded
from deformgan.datasets.doctor.tables import Row, Tables
from deformgan.pose import Pose, Skeleton
from deformgan.pose_formats.stated_size import turn_pose

# Share of a table's poses from which the table as a whole is considered wrong.
_MOST = 0.5
_LYING = 0.8  # in published tables 1 to 3 in 100 people are lying
_ENOUGH = 5  # poses needed to judge a table


def check_joints(contents: Contents, tables: Tables, decoded: dict[str, Decoded]) -> list[Finding]:
    """Check every pose by itself and every table as a whole."""
    findings, skeleton = [], tables.skeleton
    for file, rows in tables.rows.items():
        seen = [row for row in rows if row.visible.any()]
        if rows and not seen:
            what = f"all {len(rows):,} lines"
            findings.append(Finding("all-missing", what, file, rows[0].line))
            continue
        findings += [
            Finding("nobody-found", row.name, file, row.line)
            for row in rows
            if not row.visible.any()
        ]
        findings += [
            Finding("no-torso", f"{row.name}, without {_missing(row, skeleton)}", file, row.line)
            for row in seen
            if not usable(row, skeleton)
        ]
        findings += _check_frame(contents, file, seen, decoded, skeleton)
    return findings


def usable(row: Row, skeleton: Skeleton) -> bool:
    """Return whether every mandatory joint is visible; for people, hips and shoulders."""
    return bool(row.visible[skeleton.mandatory_joints].all())


def _check_frame(
    contents: Contents,
    file: str,
    rows: list[Row],
    decoded: dict[str, Decoded],
    skeleton: Skeleton,
) -> list[Finding]:
    """Compare the joints with the image sizes."""
    found = [
        (row, decoded[image])
        for row in rows
        if (image := contents.find(row.name)) is not None and image in decoded
    ]
    findings = []
    sized = []
    for row, image in found:
        upright, finding = _match_size(row, image)
        findings += [] if finding is None else [finding]
        if finding is None or finding.kind == "size-before-turn":
            sized.append((upright, image.size))
    return findings + _check_places(file, sized, skeleton)


def _match_size(row: Row, image: Decoded) -> tuple[Row, Finding | None]:
    """Turn a pose of the photo as stored, and find sizes that contradict the photo."""
    if row.size is None or row.size == image.size:
        return row, None
    stated, true = (f"{size[1]}x{size[0]}" for size in (row.size, image.size))
    what = f"{row.name}: {stated} in the table, {true} upright"
    if image.turn < 5 or row.size != image.size[::-1]:
        return row, Finding("other-size-stated", what, row.file, row.line)
    pose = Pose(torch.from_numpy(row.joints)[None], torch.from_numpy(row.visible)[None])
    joints = turn_pose(pose, row.size, image.turn).joints[0].numpy()
    return replace(row, joints=joints), Finding("size-before-turn", what, row.file, row.line)


def _check_places(
    file: str, sized: list[tuple[Row, tuple[int, int]]], skeleton: Skeleton
) -> list[Finding]:
    """Compare joints with the (height, width) of their upright images."""
    if not sized:
        return []
    points = [row.joints[row.visible] for row, _ in sized]
    if all(((xy >= 0) & (xy <= 1)).all() for xy in points):
        return [Finding("shares-of-size", f"all of {len(points):,} poses", file, sized[0][0].line)]
    out = np.array([_outside(xy, size) for xy, (_, size) in zip(points, sized, strict=True)])
    out_if_swapped = np.array(
        [_outside(xy[:, ::-1], size) for xy, (_, size) in zip(points, sized, strict=True)]
    )
    helps = (out > 0) & (out_if_swapped == 0)
    whole = (out > 0).mean() >= _MOST and out_if_swapped.sum() < 0.1 * out.sum()
    lying = np.array([_lies(row, skeleton) for row, _ in sized if usable(row, skeleton)])
    if whole or (skeleton.upright and len(lying) >= _ENOUGH and lying.mean() >= _LYING):
        reason = (
            f"{int((out > 0).sum()):,} of {len(sized):,} poses reach outside their images, "
            f"with swapped axes {int((out_if_swapped > 0).sum()):,}"
            if whole
            else f"{int(lying.sum()):,} of {len(lying):,} people lie on their side"
        )
        return [Finding("swapped-axes", reason, file, sized[0][0].line)]
    findings = []
    for (row, size), count, swapped in zip(sized, out, helps, strict=True):
        # A single joint just outside does not indicate a swap, which moves whole legs outside.
        if swapped and count >= 3:
            what = f"{row.name}: {count} joints lie outside, with swapped axes none"
            findings.append(Finding("swapped-axes", what, file, row.line))
        elif count:
            what = f"{row.name}: {_outside_text(row, size, skeleton)}"
            findings.append(Finding("joints-outside", what, file, row.line))
    return findings


def _outside(points: np.ndarray, size: tuple[int, int]) -> int:
    return int(_is_outside(points, size).sum())


def _is_outside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return which points lie beyond the outer edges of the image's pixels."""
    x, y = points[:, 0], points[:, 1]
    return (x < -0.5) | (x > size[1] - 0.5) | (y < -0.5) | (y > size[0] - 0.5)


def _lies(row: Row, skeleton: Skeleton) -> bool:
    """Return whether the unit segments (people's torsos) are wider than high on average."""
    starts, ends = (skeleton.indices(joints) for joints in zip(*skeleton.unit, strict=True))
    down = row.joints[starts].mean(axis=0) - row.joints[ends].mean(axis=0)
    return bool(abs(down[0]) > abs(down[1]))


def _outside_text(row: Row, size: tuple[int, int], skeleton: Skeleton) -> str:
    out = _is_outside(row.joints, size) & row.visible
    some = [
        f"{skeleton.joints[joint]} at x {row.joints[joint, 0]:g}, y {row.joints[joint, 1]:g}"
        for joint in np.flatnonzero(out)[:2]
    ]
    more = f" and {out.sum() - 2} more" if out.sum() > 2 else ""
    return f"{', '.join(some)}{more} in {size[1]}x{size[0]} pixels"


def _missing(row: Row, skeleton: Skeleton) -> str:
    lacking = [joint for joint in skeleton.mandatory_joints if not row.visible[joint]]
    return ", ".join(skeleton.joints[joint] for joint in lacking)
