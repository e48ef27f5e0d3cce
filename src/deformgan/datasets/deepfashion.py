"""DeepFashion In-shop in the field's flat naming, and its variant at 128x64."""

from pathlib import PurePosixPath

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from deformgan.errors import InputError
from deformgan.pose import Pose

# The middle 176 of 256 columns hold the person.
_SIZE, _MARGIN, _SMALL = 256, 40, (128, 64)
_SCALE_X = _SMALL[1] / (_SIZE - 2 * _MARGIN)
_SCALE_Y = _SMALL[0] / _SIZE


def flat_name(path: str | PurePosixPath) -> str:
    """Gives the field's flat file name of an original one.

    Args:
        path: `.../WOMEN/Jackets_Coats/id_00000123/01_1_front.jpg`; what comes before the gender is
            not looked at.

    Returns:
        `fasionWOMENJacketsCoatsid0000012301_1front.jpg` (the spelling is the field's): the only
        underscore left parts the clothes (item and colour) from the view.
    """
    parts = PurePosixPath(path).parts
    color, underscore, view = parts[-1].partition("_") if parts else ("", "", "")
    if len(parts) < 4 or not underscore:
        raise InputError(
            f"{str(path)!r} is not a DeepFashion path like "
            "'WOMEN/Jackets_Coats/id_00000123/01_1_front.jpg'."
        )
    item = "".join(parts[-4:-1]).replace("_", "")
    return f"fasion{item}{color}_{view.replace('_', '')}"


def identity_of(name: str) -> str:
    """Gives whom or what an image shows: all before the view, that is item and colour.

    The last underscore is the one to part at: some lists keep those within a category's name.
    """
    identity, underscore, _ = name.rpartition("_")
    if not underscore:
        raise InputError(
            f"{name!r} is not a DeepFashion name like 'fasion...id0000012301_1front.jpg'."
        )
    return identity


def images_128x64(
    images: UInt8[Tensor, "batch 3 256 256"],
) -> UInt8[Tensor, "batch 3 128 64"]:
    """Cuts 40 columns off either side and shrinks the rest, with antialiasing."""
    middle = images[..., _MARGIN : _SIZE - _MARGIN]
    return tv.resize(middle, list(_SMALL), antialias=True)


def poses_128x64(poses: Pose, *, truncate: bool = False) -> Pose:
    """Takes poses from 256x256 images to what `images_128x64` makes of them.

    Args:
        poses: In pixels of the large images.
        truncate: The reference's rule instead: coordinates scaled about the centre of the top-left
            pixel (up to half a pixel off) and truncated towards 0; a joint that comes to lie at -1
            is thereby lost.
    """
    x, y = poses.joints.unbind(dim=-1)
    if not truncate:
        # Pixel centres are half a pixel inside the edges, which are what a resize keeps in place.
        x = (x - _MARGIN + 0.5) * _SCALE_X - 0.5
        y = (y + 0.5) * _SCALE_Y - 0.5
        return Pose(torch.stack([x, y], dim=-1), poses.visible)
    small = torch.stack([(x - _MARGIN) * _SCALE_X, y * _SCALE_Y], dim=-1).trunc()
    lost = (small == -1).any(dim=-1)
    return Pose(small, poses.visible & ~lost)
