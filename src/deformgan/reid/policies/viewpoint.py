"""Viewpoint: equally many photos from front, back, left and right."""

from collections import Counter

import torch
from jaxtyping import Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.evaluation.pair_diagnosis import VIEWS, viewpoints
from deformgan.pose import Pose
from deformgan.reid.policies.choice import Choice, take_in_turns
from deformgan.skeletons.openpose18 import OPENPOSE18

SIDES = ("front", "back", "left", "right")  # "left": the person's left side is visible
UNKNOWN = -1


class Viewpoint:
    """Policy that balances viewpoints per person, over real and generated photos together.

    Args:
        photos: Photos of the candidate poses, of any identity.
        asked: First row of the allowed target poses; photos before it only count as views already
            seen.
    """

    def __init__(self, photos: PhotoSet, asked: int = 0):
        self._choice = Choice(photos, asked)
        self.sides = sides_seen(photos.poses)
        self._seen = Counter(
            (photos.identities[row], int(self.sides[row])) for row in self._choice.pool.tolist()
        )

    def candidates(self, source: int, count: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Prefer the sides from which the person was seen least, divided among their photos."""
        who = self._choice.photos.identities[source]
        wanted = self._choice.lacking(
            source, count, [self._seen[who, side] for side in range(len(SIDES))]
        )
        rows = self._choice.shuffled(source, random)
        return take_in_turns(rows, self.sides[rows], wanted)


def sides_seen(pose: Pose) -> Int64[Tensor, "poses"]:
    """Return the visible side of each person as an index into `SIDES`, or `UNKNOWN`.

    In a side view, the person faces the image's right, and their right side is visible, if nose and
    eyes are to the right of the ears or, if no ear is visible, of the shoulders.
    """
    view = viewpoints(pose, OPENPOSE18)
    found = torch.full_like(view, UNKNOWN)
    for name in ("front", "back"):
        found[view == VIEWS.index(name)] = SIDES.index(name)
    face, has_face = _middle(pose, "nose", "right_eye", "left_eye")
    ears, has_ears = _middle(pose, "right_ear", "left_ear")
    shoulders, _ = _middle(pose, "right_shoulder", "left_shoulder")
    ahead = torch.where(has_ears, face - ears, face - shoulders)
    # If the face is hidden, the only visible ear is on the visible side.
    one = pose.visible[:, OPENPOSE18.indices(["right_ear", "left_ear"])].double()
    ahead = torch.where(has_face, ahead, one[:, 0] - one[:, 1])
    sideways = view == VIEWS.index("side")
    found[sideways & (ahead > 0)] = SIDES.index("right")
    found[sideways & (ahead < 0)] = SIDES.index("left")
    return found


def _middle(pose: Pose, *joints: str) -> tuple[Tensor, Tensor]:
    """Return the mean x coordinate of the visible joints, and whether there are any."""
    rows = OPENPOSE18.indices(joints)
    seen = pose.visible[:, rows].double()
    count = seen.sum(dim=1)
    column = (pose.joints[:, rows, 0].double() * seen).sum(dim=1) / count.clamp(min=1)
    return column, count > 0
