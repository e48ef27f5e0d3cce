"""Coverage: poses in which a person has not been seen."""

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
    """Policy that picks the pose clusters that are rarest among a person's photos.

    Poses are clustered after centring on the torso and dividing by its length; a missing joint is
    set to its mean position, so that it does not favour any cluster.

    Args:
        photos: Photos of the candidate poses, of any identity.
        asked: First row of the allowed target poses; photos before it only count as poses already
            seen.
        clusters: Number of clusters; at most the number of poses.
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
        """Prefer the clusters in which the person was seen least, divided among their photos."""
        who = self._choice.photos.identities[source]
        wanted = self._choice.lacking(
            source, count, [self._seen[who, kind] for kind in range(self._count)]
        )
        rows = self._choice.shuffled(source, random)
        return take_in_turns(rows, self.kinds[rows], wanted)


def describe_poses(pose: Pose) -> Float[Tensor, "poses features"]:
    """Return usable poses normalized by position and size, with mean values for missing joints."""
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
    """Return the cluster index of every point, by k-means.

    Args:
        points: At least `count` points.
        count: Number of clusters; an empty cluster keeps its centre.
        seed: Random seed for the initial centres.

    Source:
        k-means: Lloyd, 1982; k-means++ initialization: Arthur and Vassilvitskii, 2007.
    """
    if not count:
        return torch.empty(0, dtype=torch.long)
    random = torch.Generator().manual_seed(seed)
    first = int(torch.randint(len(points), (1,), generator=random))
    middles = points[first][None]
    for _ in range(count - 1):
        far = torch.cdist(points, middles).amin(dim=1).square()
        # If all points coincide with centres, choose uniformly.
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
