"""Variety: what photos of a person show already, and how far a new one is from them."""

from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.datasets.photo_set import PhotoSet
from deformgan.reid.policies.coverage import describe_poses


class RealPhotos:
    """The real photos of each person, to compare generated ones with.

    Args:
        photos: Training photos.
        pool: Photos of the target poses: `photos`, or these followed by others.
        embedding: Returns L2-normalized embeddings of photos of people.

    Attributes:
        poses: Described poses of the pool, see `describe_poses`; zero where a pose is not usable.
    """

    def __init__(
        self,
        photos: PhotoSet,
        pool: PhotoSet,
        embedding: Callable[[UInt8[Tensor, "..."]], Tensor],
    ):
        self._photos, self._embedding = photos, embedding
        self._rows: dict[str, list[int]] = {}
        for row, who in enumerate(photos.identities):
            self._rows.setdefault(who, []).append(row)
        self._embedded: dict[str, Tensor] = {}
        self.poses = torch.zeros(len(pool), 2 * pool.poses.joints.shape[1], dtype=torch.float64)
        self.poses[pool.usable] = describe_poses(pool.poses[pool.usable])

    def usable_rows(self, row: int) -> list[int]:
        """Return the rows of a person's photos with a usable pose.

        Args:
            row: Any photo of the person.
        """
        rows = self._rows[self._photos.identities[row]]
        return [row for row in rows if self._photos.usable[row]]

    def embeddings(self, row: int) -> Float[Tensor, "photos features"]:
        """Return the embeddings of all photos of a person, computed at first use.

        A person's photos are a batch of their own, so that the last bit does not depend on whom a
        process saw before.

        Args:
            row: Any photo of the person.
        """
        who, photos = self._photos.identities[row], self._photos
        if who not in self._embedded:
            self._embedded[who] = self._embedding(photos.read(self._rows[who]))
        return self._embedded[who]


def largest_similarity(
    vector: Float[Tensor, "features"], others: Float[Tensor, "photos features"]
) -> float:
    """Return the cosine similarity to the most similar of some photos, in [-1, 1].

    Args:
        vector: L2-normalized embedding of a photo.
        others: Those of the others, at least one.
    """
    return (others * vector).sum(dim=1).max().item()


def smallest_distance(
    pose: Float[Tensor, "features"], others: Float[Tensor, "poses features"]
) -> float:
    """Return the distance to the nearest of some poses, free of position and size.

    It is the root mean square of the distances of corresponding joints, in torso lengths.

    Args:
        pose: A pose, described by `describe_poses`.
        others: Poses described together with it, at least one.
    """
    joints = (others - pose).unflatten(1, (-1, 2))
    return joints.square().sum(dim=2).mean(dim=1).sqrt().min().item()
