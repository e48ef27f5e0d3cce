"""What a generated person stands in front of: the photo without its person, colours, nothing.

All that is done at a photo's full size costs what resizing it costs: holes are filled in a small
copy, and the rest is one blend.
"""

import re
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from deformgan.datasets.backgrounds import fill_holes, person_hole, widen
from deformgan.datasets.batches import to_bytes
from deformgan.errors import InputError
from deformgan.framing import Framing, read_photo
from deformgan.models.layers import mix, resize
from deformgan.parts import person_region, unit_length
from deformgan.pose import Pose, Skeleton

Photo = UInt8[np.ndarray, "_ _ 3"]
Keyword = Literal["paint", "source", "none"]
Color = tuple[int, int, int]

KEYWORDS: tuple[Keyword, ...] = ("paint", "source", "none")

_GREY = 127.5
_FILLED_ROWS = 256  # what is carried into a hole is smooth: more rows would show no more of it
_AROUND = 0.25  # of a box, what a hole in it is filled from beyond its edges
_MARGIN = 0.1  # torso lengths beyond a person's matte
# When a matte is believed: it has most joints in it, and little of what is far from all of them.
_JOINTS_IN_MATTE, _MATTE_ELSEWHERE = 0.75, 0.1
_RESCALED = 2.0  # the most that bones may say against the framings about somebody's scale


def read_background(background: str | Path | Photo | None) -> Keyword | Color | Photo | None:
    """Find out what a background is.

    Args:
        background: paint, source, none, #rrggbb, the file of a photo, or a photo.
    """
    if background is None or isinstance(background, np.ndarray):
        return background
    text = str(background)
    for keyword in KEYWORDS:
        if text == keyword:
            return keyword
    if re.fullmatch("#[0-9a-fA-F]{6}", text):
        red, green, blue = bytes.fromhex(text[1:])
        return red, green, blue
    if text.startswith("#") or not ("." in text or Path(text).is_file()):
        raise InputError(
            f"The background is {text}; it must be paint, source, none, a color as #rrggbb, or the "
            "file of a photo."
        )
    return read_photo(text)


def frame_smoothly(photo: Photo, framing: Framing) -> UInt8[np.ndarray, "rows columns 3"]:
    """Cut an image out of a photo; what lies beyond the photo's edges fades out from them.

    Args:
        photo: RGB.
        framing: What to show of it.
    """
    picture = framing.frame_photo(photo)
    if framing.inside(photo.shape[:2]):
        return picture
    rows = framing.top + (np.arange(framing.size[0]) + 0.5) / framing.scale
    columns = framing.left + (np.arange(framing.size[1]) + 0.5) / framing.scale_x
    within = [
        (places > -0.5) & (places < length - 0.5)
        for places, length in ((rows, photo.shape[0]), (columns, photo.shape[1]))
    ]
    beyond = torch.from_numpy(~(within[0][:, None] & within[1]))[None]
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    filled = fill_holes(image - _GREY, beyond) + _GREY
    return filled[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()


def find_person(
    matte: Float[Tensor, "1 1 _ _"] | None, pose: Pose, skeleton: Skeleton, size: tuple[int, int]
) -> Bool[Tensor, "1 height width"]:
    """Decide which pixels may show some of the person of a photo.

    Args:
        matte: How much of every pixel is person, in [0, 1], as a network sees it. One that does not
            go with the pose is not believed: the joints then say where the person may be.
        pose: One pose, in pixels.
        skeleton: Of the pose.
        size: Height and width of the photo.
    """
    around = person_hole(pose, skeleton, size)
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
    return widen(seen | person_region(pose, skeleton, size), reach)


def empty_photo(photo: Photo, hole: Bool[Tensor, "1 _ _"], box: Framing) -> Photo:
    """Take a person out of a photo: what surrounds the hole is carried into it.

    Args:
        photo: RGB; it is left as it is.
        hole: Where the person is in the box, in pixels of any size.
        box: Whole pixels of the photo; nothing outside of it changes.
    """
    left, top, right, bottom = _corners(box)
    height, width = photo.shape[:2]
    wide, high = round((right - left) * _AROUND), round((bottom - top) * _AROUND)
    first_x, last_x = max(0, left - wide), min(width, right + wide)
    first_y, last_y = max(0, top - high), min(height, bottom + high)
    if first_x >= last_x or first_y >= last_y:
        return photo
    share = torch.zeros(1, 1, bottom - top + 2 * high, right - left + 2 * wide)
    # Twice, so that all of the hole's own pixels are full and only their surroundings half.
    covered = (2 * resize(hole[None].float(), box.size)).clamp(max=1)
    share[..., high : high + box.size[0], wide : wide + box.size[1]] = covered
    share = share[
        ...,
        first_y - top + high : last_y - top + high,
        first_x - left + wide : last_x - left + wide,
    ]
    piece = _to_tensor(photo[first_y:last_y, first_x:last_x])
    scale = min(1.0, _FILLED_ROWS / piece.shape[2])
    small = (max(1, round(piece.shape[2] * scale)), max(1, round(piece.shape[3] * scale)))
    lost = resize(share, small)[:, 0] > 1e-3
    filled = fill_holes(resize(piece, small), lost)
    full = (piece.shape[2], piece.shape[3])
    emptied = photo.copy()
    emptied[first_y:last_y, first_x:last_x] = _to_photo(mix(share, resize(filled, full), piece))
    return emptied


def place_person(
    source_pose: Pose, target_poses: Pose, framing: Framing, skeleton: Skeleton
) -> Framing:
    """Find the part of the source photo in which the person in their new pose is where they stood.

    They have the size that they had there, as their bones say, and stand on the same spot: on what
    is lowest of all joints that were seen before and after.

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


def put_into(
    photo: Photo,
    person: Float[Tensor, "1 3 height width"],
    matte: Float[Tensor, "1 1 height width"],
    box: Framing,
) -> Photo:
    """Blend a person into a photo; outside of the box every byte stays.

    Args:
        photo: RGB; it is left as it is.
        person: RGB in [-1, 1].
        matte: How much of every pixel is person.
        box: Where they belong: whole pixels of the photo, which may lie beyond its edges.
    """
    left, top, right, bottom = _corners(box)
    first_x, last_x = max(0, left), min(photo.shape[1], right)
    first_y, last_y = max(0, top), min(photo.shape[0], bottom)
    if first_x >= last_x or first_y >= last_y:
        return photo
    person, matte = (
        resize(plane, box.size)[..., first_y - top : last_y - top, first_x - left : last_x - left]
        for plane in (person, matte)
    )
    behind = _to_tensor(photo[first_y:last_y, first_x:last_x])
    blended = photo.copy()
    blended[first_y:last_y, first_x:last_x] = _to_photo(
        mix(matte, person.clamp(-1, 1) * _GREY, behind)
    )
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


def _to_tensor(photo: Photo) -> Float[Tensor, "1 3 height width"]:
    return torch.from_numpy(np.ascontiguousarray(photo)).permute(2, 0, 1)[None].float() - _GREY


def _to_photo(image: Float[Tensor, "1 3 height width"]) -> Photo:
    return (image + _GREY).round().clamp(0, 255).byte()[0].permute(1, 2, 0).numpy()
