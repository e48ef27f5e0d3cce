"""Coverage: poses that a person has not been seen in."""

from collections import Counter

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.pose import Pose
from deformgan.reid.policies.choice import Choice, take_in_turns
from deformgan.skeletons.openpose18 import OPENPOSE18

CLUSTERS = 24
ROUNDS = 30


class Coverage:
    """Parts all poses into kinds; everybody gets the kinds that his photos show least.

    Kinds are clusters of poses that were moved to the middle of the torso and divided by its
    length; a joint that is missing lies where it is on average, so that it speaks for no kind.

    Args:
        photos: Whose poses they are, whoever is in them.
        asked: First row whose pose may be asked for; the photos before it only tell who was seen
            in which poses already.
        clusters: How many kinds; fewer where there are not so many poses.
    """

    def __init__(self, photos: PhotoSet, asked: int = 0, clusters: int = CLUSTERS):
        self._choice = Choice(photos, asked)
        described = describe_poses(photos.poses[self._choice.pool])
        kinds = cluster(described, min(clusters, len(described)))
        self.kinds = torch.full((len(photos),), -1)
        self.kinds[self._choice.pool] = kinds
        self._count = int(kinds.max()) + 1 if len(kinds) else 0
        self._seen = Counter(
            (photos.identities[row], int(self.kinds[row])) for row in self._choice.pool.tolist()
        )

    def candidates(self, source: int, count: int, random: torch.Generator) -> Int64[Tensor, "_"]:
        """Takes the kinds that the person was seen in least; the photos of one share them."""
        who = self._choice.photos.identities[source]
        wanted = self._choice.lacking(
            source, count, [self._seen[who, kind] for kind in range(self._count)]
        )
        rows = self._choice.shuffled(source, random)
        return take_in_turns(rows, self.kinds[rows], wanted)


def describe_poses(pose: Pose) -> Float[Tensor, "poses features"]:
    """Gives usable poses without place and size; missing joints where they are on average."""
    mandatory = OPENPOSE18.mandatory_joints
    joints = pose.joints.double()
    middle = joints[:, mandatory].mean(dim=1, keepdim=True)
    right_shoulder, left_shoulder, right_hip, left_hip = (
        joints[:, OPENPOSE18.index(name)]
        for name in ("right_shoulder", "left_shoulder", "right_hip", "left_hip")
    )
    torso = (right_shoulder + left_shoulder - right_hip - left_hip).norm(dim=1) / 2
    joints = (joints - middle) / torso.clamp(min=1.0)[:, None, None]
    seen = pose.visible[..., None].double()
    average = (joints * seen).sum(dim=0) / seen.sum(dim=0).clamp(min=1)
    return torch.where(pose.visible[..., None], joints, average).flatten(1)


def cluster(
    points: Float[Tensor, "points features"], count: int, seed: int = 0
) -> Int64[Tensor, "points"]:
    """Gives every point the number of its cluster.

    Args:
        points: At least `count`.
        count: How many clusters to look for; one that runs empty keeps its middle.
        seed: Of the first middles.

    Source:
        k-means: Lloyd, 1982; first middles far from each other: Arthur and Vassilvitskii, 2007.
    """
    if not count:
        return torch.empty(0, dtype=torch.long)
    random = torch.Generator().manual_seed(seed)
    first = int(torch.randint(len(points), (1,), generator=random))
    middles = points[first][None]
    for _ in range(count - 1):
        far = torch.cdist(points, middles).amin(dim=1).square()
        # Where all points are middles already, any will do.
        far = far if far.sum() > 0 else torch.ones_like(far)
        middles = torch.cat([middles, points[torch.multinomial(far, 1, generator=random)]])
    for _ in range(ROUNDS):
        nearest = torch.cdist(points, middles).argmin(dim=1)
        sums = torch.zeros_like(middles).index_add(0, nearest, points)
        sizes = nearest.bincount(minlength=count)[:, None]
        moved = torch.where(sizes > 0, sums / sizes.clamp(min=1), middles)
        if torch.equal(moved, middles):
            break
        middles = moved
    return torch.cdist(points, middles).argmin(dim=1)
