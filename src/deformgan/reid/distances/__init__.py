"""Distances between embeddings, fixed and learned, one per file."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

from deformgan.reid.distances.cosine import Cosine
from deformgan.reid.distances.euclidean import Euclidean
from deformgan.reid.distances.kissme import Kissme
from deformgan.reid.distances.xqda import Xqda


@runtime_checkable
class Distance(Protocol):
    """A distance between embeddings of people.

    Attributes:
        trainable: Whether it must be fitted before use.
    """

    trainable: bool

    def fit(
        self,
        vectors: Float[Tensor, "photos features"],
        people: Int64[Tensor, "photos"],
        cameras: Int64[Tensor, "photos"],
    ) -> None:
        """Fit the distance to training data; fixed distances do nothing.

        Args:
            vectors: Embeddings of training identities.
            people: Identity in each photo.
            cameras: Camera of each photo.
        """
        ...

    def __call__(
        self, query: Float[Tensor, "queries features"], gallery: Float[Tensor, "gallery features"]
    ) -> Float[Tensor, "queries gallery"]:
        """Return distances, lower is nearer; learned ones can be negative."""
        ...


DISTANCES: dict[str, Callable[[], Distance]] = {
    "cosine": Cosine,
    "euclidean": Euclidean,
    "kissme": Kissme,
    "xqda": Xqda,
}
