"""How far apart two vectors are; each file is one answer, some of them learnt."""

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
    """Compares vectors of people.

    Attributes:
        learns: Whether it has to be fitted before it is asked.
    """

    learns: bool

    def fit(
        self,
        vectors: Float[Tensor, "photos features"],
        people: Int64[Tensor, "photos"],
        cameras: Int64[Tensor, "photos"],
    ) -> None:
        """Learns what separates people, where there is something to learn.

        Args:
            vectors: Of people who are not tested on.
            people: Who is in each photo.
            cameras: Who took it.
        """
        ...

    def __call__(
        self, query: Float[Tensor, "queries features"], gallery: Float[Tensor, "gallery features"]
    ) -> Float[Tensor, "queries gallery"]:
        """Gives distances: the lower the nearer; those of learnt ones may be negative."""
        ...


DISTANCES: dict[str, Callable[[], Distance]] = {
    "cosine": Cosine,
    "euclidean": Euclidean,
    "kissme": Kissme,
    "xqda": Xqda,
}
