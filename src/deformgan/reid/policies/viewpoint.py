"""Viewpoint: everybody from front, back, left and right alike."""

from collections import Counter

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.evaluation.pair_diagnosis import VIEWS, viewpoints
from deformgan.pose import Pose
from deformgan.reid.policies.choice import Choice, take_in_turns
from deformgan.skeletons.openpose18 import OPENPOSE18

SIDES = ("front", "back", "left", "right")  # "left": the person's left side is seen
UNKNOWN = -1


class Viewpoint:
    """Shows everybody from all sides as often, real photos and generated ones together.

    Args:
        photos: Whose poses they are, whoever is in them.
        asked: First row whose pose may be asked for; the photos before it only tell who was seen
            in which poses already.
    """

    def __init__(self, photos: PhotoSet, asked: int = 0):
        self._choice = Choice(photos, asked)
        self.sides = sides_seen(photos.poses)
        self._seen = Counter(
            (photos.identities[row], int(self.sides[row])) for row in self._choice.pool.tolist()
        )

    def candidates(self, source: int, count: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Takes the sides that the person was seen from least; the photos of one share them."""
        who = self._choice.photos.identities[source]
        wanted = self._choice.lacking(
            source, count, [self._seen[who, side] for side in range(len(SIDES))]
        )
        rows = self._choice.shuffled(source, random)
        return take_in_turns(rows, self.sides[rows], wanted)


def sides_seen(pose: Pose) -> Int64[Tensor, "poses"]:
    """Tells which side of each person is seen, as positions in `SIDES`, or that it is `UNKNOWN`.

    Somebody who is seen from the side looks to the image's right if nose and eyes lie to the right
    of the ears, or, without ears, of the shoulders; then it is the right side that is seen.
    """
    view = viewpoints(pose, OPENPOSE18)
    found = torch.full_like(view, UNKNOWN)
    for name in ("front", "back"):
        found[view == VIEWS.index(name)] = SIDES.index(name)
    face, has_face = _middle(pose, "nose", "right_eye", "left_eye")
    ears, has_ears = _middle(pose, "right_ear", "left_ear")
    shoulders, _ = _middle(pose, "right_shoulder", "left_shoulder")
    ahead = torch.where(has_ears, face - ears, face - shoulders)
    # The one ear that is seen, where the face is hidden, is on the side that is seen.
    one = pose.visible[:, OPENPOSE18.indices(["right_ear", "left_ear"])].double()
    ahead = torch.where(has_face, ahead, one[:, 0] - one[:, 1])
    sideways = view == VIEWS.index("side")
    found[sideways & (ahead > 0)] = SIDES.index("right")
    found[sideways & (ahead < 0)] = SIDES.index("left")
    return found


def _middle(pose: Pose, *joints: str) -> tuple[Tensor, Tensor]:
    """Gives the mean column of the visible ones of some joints, and whether there are any."""
    rows = OPENPOSE18.indices(joints)
    seen = pose.visible[:, rows].double()
    count = seen.sum(dim=1)
    column = (pose.joints[:, rows, 0].double() * seen).sum(dim=1) / count.clamp(min=1)
    return column, count > 0
