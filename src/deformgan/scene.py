"""Backgrounds: photos with the person removed, colours and transparency; cut-outs, pasting.

All that is done at a photo's full size is done in bytes by Pillow, and costs what resizing it does:
holes are filled in a copy of at most 1,024 rows, enlarged and blended.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from deformgan.datasets.backgrounds import person_hole, widen
from deformgan.errors import InputError
from deformgan.framing import Framing
from deformgan.inpainting import inpaint
from deformgan.models.layers import resize
from deformgan.parts import person_region, unit_length
from deformgan.photo_file import read_photo
from deformgan.pixels import Photo, to_bytes
from deformgan.pose import Pose, Skeleton
from deformgan.push_pull import fill_holes

Keyword = Literal["paint", "source", "none"]
Colour = tuple[int, int, int]
Background = Keyword | Colour | Photo

KEYWORDS: tuple[Keyword, ...] = ("paint", "source", "none")

_GREY = 127.5
_BILINEAR = Image.Resampling.BILINEAR
_FILLED_ROWS = 1024  # as many as the largest picture has
_AROUND = 0.25  # of a box, margin from which a hole in it is filled
_BEYOND = 0.35  # torso lengths beyond the last joints
_MARGIN = 0.1  # torso lengths beyond a person's matte
# Thresholds for accepting a matte: share of the joints inside, and share of it far from all joints.
_JOINTS_IN_MATTE, _MATTE_ELSEWHERE = 0.75, 0.1
_RESCALED = 2.0  # most by which the scales from bone lengths and from the framings may differ


def read_background(background: str | Path | Photo | None) -> Background | None:
    """Find out what a background is.

    Args:
        background: paint, source, none, #rrggbb, the file of a photo, or a photo.
    """
    if background is None or isinstance(background, np.ndarray):
        return background
    wanted = parse_background(str(background))
    return read_photo(wanted) if isinstance(wanted, Path) else wanted


def parse_background(text: str) -> Keyword | Colour | Path:
    """Find out what a background is, without reading a photo; see `read_background`."""
    for keyword in KEYWORDS:
        if text == keyword:
            return keyword
    if re.fullmatch("#[0-9a-fA-F]{6}", text):
        red, green, blue = bytes.fromhex(text[1:])
        return red, green, blue
    if text.startswith("#") or not ("." in text or Path(text).is_file()):
        raise InputError(
            f"The background is {text}; it must be paint, source, none, a colour as #rrggbb, or "
            "the file of a photo."
        )
    return Path(text)


def frame_smoothly(photo: Photo, framing: Framing) -> UInt8[np.ndarray, "rows columns 3"]:
    """Cut an image out of a photo, as networks see it; beyond the photo's edges it fades out.

    Args:
        photo: RGB.
        framing: What to show of it.
    """
    return _frame(photo, framing, lambda image, hole: fill_holes(image[None], hole[None])[0])


def frame_scene(photo: Photo, framing: Framing) -> UInt8[np.ndarray, "rows columns 3"]:
    """Cut a scene out of a photo, as people see it; it continues beyond the photo's edges.

    Args:
        photo: RGB, without the person.
        framing: What to show of it.
    """
    return _frame(photo, framing, inpaint)


def _frame(photo: Photo, framing: Framing, fill: Callable[[Tensor, Tensor], Tensor]) -> Photo:
    picture = framing.frame_photo(photo)
    if framing.inside(photo.shape[:2]):
        return picture
    rows = framing.top + (np.arange(framing.size[0]) + 0.5) / framing.scale
    columns = framing.left + (np.arange(framing.size[1]) + 0.5) / framing.scale_x
    within = [
        (places > -0.5) & (places < length - 0.5)
        for places, length in ((rows, photo.shape[0]), (columns, photo.shape[1]))
    ]
    beyond = torch.from_numpy(~(within[0][:, None] & within[1]))
    image = torch.from_numpy(picture).permute(2, 0, 1).float()
    return _to_photo(fill(image - _GREY, beyond))


def find_person(
    matte: Float[Tensor, "1 1 _ _"] | None, pose: Pose, skeleton: Skeleton, size: tuple[int, int]
) -> Bool[Tensor, "1 height width"]:
    """Decide which pixels may show some of the person of a photo.

    Args:
        matte: Predicted coverage of every pixel by the person, in [0, 1]. If it contradicts the
            pose, the region around the joints is used instead.
        pose: One pose, in pixels.
        skeleton: Of the pose.
        size: Height and width of the photo.
    """
    around = person_hole(pose, skeleton, size) | _ends(pose, skeleton, size)
    if matte is None:
        return around
    seen = resize(matte, size)[:, 0] > 0.5
    x, y = pose.joints[0].round().long().unbind(dim=1)
    inside = pose.visible[0] & (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    hits = seen[0, y[inside], x[inside]].float().mean()
    elsewhere = seen[~around].float().mean() if not around.all() else 0.0
    if not (hits >= _JOINTS_IN_MATTE and elsewhere <= _MATTE_ELSEWHERE):
        return around
    reach = max(2, round(float(unit_length(pose, skeleton)[0]) * _MARGIN))
    seen |= person_region(pose, skeleton, size) | _ends(pose, skeleton, size)
    # Gaps are closed: what is seen through them would stay as islands.
    return ~widen(~widen(seen, 2 * reach), reach)


def _ends(pose: Pose, skeleton: Skeleton, size: tuple[int, int]) -> Bool[Tensor, "1 height width"]:
    """Draw discs around the end joints, which cover hands, feet and the head."""
    names = [name for limb in skeleton.limbs for name in limb]
    ends = skeleton.indices([name for name in dict.fromkeys(names) if names.count(name) == 1])
    seen = [joint for joint in ends if pose.visible[0, joint]]
    rows, columns = (torch.arange(length)[:, None] for length in size)
    x, y = pose.joints[0, seen].unbind(dim=1)
    away = (rows - y).square()[:, None] + (columns - x).square()[None]  # (height, width, ends)
    reach = float(unit_length(pose, skeleton)[0]) * _BEYOND
    return (away <= reach**2).any(dim=2)[None]


def empty_photo(photo: Photo, hole: Bool[Tensor, "1 _ _"], box: Framing) -> Photo:
    """Take a person out of a photo: the hole is filled with copies of what surrounds it.

    Args:
        photo: RGB; it is left as it is.
        hole: Where the person is in the box, in pixels of any size.
        box: Whole pixels of the photo, none of them beyond its edges; nothing outside changes.
    """
    around = box.widened(_AROUND).whole_pixels().within((photo.shape[0], photo.shape[1]))
    assert around is not None
    first_x, first_y, last_x, last_y = _corners(around)
    left, top, _, _ = _corners(box)
    piece = Image.fromarray(photo[first_y:last_y, first_x:last_x])
    share = Image.new("L", piece.size)
    # Twice, so that all of the hole's own pixels are full and only their surroundings half.
    covered = Image.fromarray(hole[0].byte().numpy() * 255).resize(box.size[::-1], _BILINEAR)
    share.paste(covered.point(lambda value: min(2 * value, 255)), (left - first_x, top - first_y))
    scale = min(1.0, _FILLED_ROWS / piece.height)
    small = (max(1, round(piece.width * scale)), max(1, round(piece.height * scale)))
    colours, lost = (
        torch.from_numpy(np.array(image.resize(small, _BILINEAR))) for image in (piece, share)
    )
    known = colours.permute(2, 0, 1).float() - _GREY
    filled = Image.fromarray(_to_photo(inpaint(known, lost > 0)))
    emptied = photo.copy()
    emptied[first_y:last_y, first_x:last_x] = Image.composite(
        filled.resize(piece.size, _BILINEAR), piece, share
    )
    return emptied


def place_person(
    source_pose: Pose, target_poses: Pose, framing: Framing, skeleton: Skeleton
) -> Framing:
    """Find the part of the source photo in which the person keeps their place and scale.

    The scale is the median ratio of bone lengths; the feet stay in place, measured at the lowest
    joint that is visible in both poses.

    Args:
        source_pose: One pose, in pixels of the photo.
        target_poses: One pose or more, in pixels of the picture.
        framing: What the generator is shown of the photo, at the picture's size.
        skeleton: Of the poses.
    """
    scale = _bone_ratio(source_pose, target_poses, skeleton)
    middle = (framing.scale * framing.scale_x) ** 0.5
    scale = min(max(scale or middle, middle / _RESCALED), middle * _RESCALED)
    shared = (source_pose.visible & target_poses.visible).any(dim=0)
    torso = skeleton.mandatory_joints

    def stand(poses: Pose) -> tuple[float, float]:
        column = poses.joints[:, torso, 0].mean()
        rows = poses.joints[..., 1].where(poses.visible & shared, -torch.inf)
        return column.item(), (rows.amax() if skeleton.upright else rows[:, torso].mean()).item()

    (source_x, source_y), (x, y) = stand(source_pose), stand(target_poses)
    return Framing(source_x - (x + 0.5) / scale, source_y - (y + 0.5) / scale, scale, framing.size)


def _bone_ratio(source_pose: Pose, target_poses: Pose, skeleton: Skeleton) -> float | None:
    """Return the median ratio of the bones' lengths, target to source; None without bones."""
    starts, ends = (skeleton.indices([limb[end] for limb in skeleton.limbs]) for end in (0, 1))

    def bones(poses: Pose) -> tuple[Tensor, Tensor]:
        seen = poses.visible[:, starts] & poses.visible[:, ends]
        return (poses.joints[:, starts] - poses.joints[:, ends]).norm(dim=2), seen

    (before, seen_before), (after, seen_after) = bones(source_pose), bones(target_poses)
    usable = seen_before & seen_after & (before > 1) & (after > 1)
    ratios = (after / before.clamp(min=1))[usable]
    return ratios.median().item() if len(ratios) else None


def put_into(photo: Photo, person: UInt8[np.ndarray, "_ _ 4"], box: Framing) -> Photo:
    """Blend a person into a photo; outside of the box every byte stays.

    Args:
        photo: RGB; it is left as it is.
        person: A cut-out of any size, RGBA.
        box: Where they belong: whole pixels of the photo, which may lie beyond its edges.
    """
    inside = box.within((photo.shape[0], photo.shape[1]))
    if inside is None:
        return photo
    left, top, _, _ = _corners(box)
    first_x, first_y, last_x, last_y = _corners(inside)
    colour, share = (Image.fromarray(plane) for plane in (person[..., :3], person[..., 3]))
    corners = (first_x - left, first_y - top, last_x - left, last_y - top)
    colour, share = (
        image.resize(box.size[::-1], Image.Resampling.BICUBIC).crop(corners)
        for image in (colour, share)
    )
    blended = photo.copy()
    behind = Image.fromarray(photo[first_y:last_y, first_x:last_x])
    blended[first_y:last_y, first_x:last_x] = Image.composite(colour, behind, share)
    return blended


def cut_out(
    person: Float[Tensor, "batch 3 height width"], matte: Float[Tensor, "batch 1 height width"]
) -> UInt8[Tensor, "batch 4 height width"]:
    """Return RGBA bytes with straight alpha: colours are the person's own, whatever is behind."""
    alpha = (matte * 255).round().to(torch.uint8)
    return torch.cat([to_bytes(person), alpha], dim=1)


def _corners(box: Framing) -> tuple[int, int, int, int]:
    """Return the first and last column and row, the last ones excluded."""
    left, top = round(box.left + 0.5), round(box.top + 0.5)
    return left, top, left + box.size[1], top + box.size[0]


def _to_photo(image: Float[Tensor, "3 height width"]) -> Photo:
    return (image + _GREY).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
