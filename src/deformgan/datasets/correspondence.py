"""correspond: where the surface that a target picture shows is in a source picture, exactly.

Both pictures are rendered of one body, so a place on the body at rest names a point of both.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deformgan.datasets.surfaces import FACE, NOTHING, Surface
from deformgan.errors import InputError

# All in pitches: median distances at rest, in metres, between neighbouring pixels of the source.
_EDGE = 6.0  # a longer step from one pixel to the next leads to another piece of surface
_OFF = 1.0  # how far a place may lie beside the plane through the pixels around it
_SLIP = 0.1  # pixels by which a place may lie beyond the pixel that shows it
_ROUNDS = 3  # of looking whether the pixel beside the nearest one shows a place
# How much of a distance along the second axis counts where hidden cloth is looked up on the other
# side of the body, and how far the match may then be, in metres.
_THROUGH, _FAR = 0.15, 0.12
_GUESS_ROWS = 128  # a guess needs no more


@dataclass(frozen=True)
class Correspondence:
    """For every pixel of a target picture, where its surface is in the source picture.

    Attributes:
        source_from_target: (x, y) in pixels of the source; 0 where there is no match.
        matched: The pixel shows the body, and `source_from_target` says where to look.
        visible: A pixel of the source shows that very place. What is matched and not visible is a
            guess through the body: the other side of a shirt.
        body: The pixel shows the body.
    """

    source_from_target: Float[Tensor, "2 height width"]
    matched: Bool[Tensor, "height width"]
    visible: Bool[Tensor, "height width"]
    body: Bool[Tensor, "height width"]

    def mirrored(self, width: int) -> "Correspondence":
        """Return what it is with a source, of a width in pixels, that is mirrored."""
        x, y = self.source_from_target
        x = torch.where(self.matched, width - 1 - x, x)
        return Correspondence(torch.stack([x, y]), self.matched, self.visible, self.body)


def correspond(source: Surface, target: Surface, stride: int = 1) -> Correspondence:
    """Match two pictures of one body, layer by layer.

    The nearest place at rest is looked for among the source's pixels and refined to a fraction of a
    pixel by the surface's slope there. It is seen if it lies within a pixel of the source. A hidden
    surface is matched with distances along the body's second axis counted `_THROUGH` times, so that
    the back of a shirt finds its front; a hidden face has no match, and no layer has another's.

    Args:
        source: Of the picture to read from.
        target: Of the picture to paint; may have another size.
        stride: Matches every so many target pixels, beginning with the first.

    Returns:
        With the target's height and width, divided by the stride and rounded up.
    """
    if find_spec("scipy") is None:
        raise InputError("Matching rendered pictures needs scipy: pip install 'deformgan[synth]'.")
    places = target.place[:, ::stride, ::stride].permute(1, 2, 0).numpy()
    layers = target.layer[::stride, ::stride].numpy()
    body = layers != NOTHING
    shown = source.layer.numpy() != NOTHING
    found = np.zeros((*body.shape, 2), dtype=np.float32)
    matched, visible = np.zeros_like(body), np.zeros_like(body)
    if shown.any() and body.any():
        grid = _Grid.of(source)
        wanted, of_layer = places[body], layers[body]
        place, seen = grid.find(wanted, of_layer)
        known = seen.copy()
        hidden = ~seen & (of_layer != FACE)
        place[hidden], known[hidden] = grid.guess(wanted[hidden], of_layer[hidden])
        found[body] = place * known[:, None]
        matched[body], visible[body] = known, seen
    return Correspondence(
        torch.from_numpy(found).permute(2, 0, 1),
        *(torch.from_numpy(mask) for mask in (matched, visible, body)),
    )


@dataclass(frozen=True)
class _Grid:
    """A picture's surface, to find places in.

    Attributes:
        place: (height, width, 3).
        layer: (height, width).
        pitch: Median distance between the places of neighbouring pixels, in metres.
        slopes: (height, width, 3, 2) by how much the place changes with x and y, in metres per
            pixel, from the pixels on either side that show the same piece of surface; 0 where none
            does.
    """

    place: np.ndarray
    layer: np.ndarray
    pitch: float
    slopes: np.ndarray

    @staticmethod
    def of(source: Surface) -> "_Grid":
        place, layer = source.place.permute(1, 2, 0).numpy(), source.layer.numpy()
        steps = [np.diff(place, axis=axis) for axis in (1, 0)]
        lengths = [np.linalg.norm(step, axis=2) for step in steps]
        alike = [
            (layer[:, 1:] == layer[:, :-1]) & (layer[:, 1:] != NOTHING),
            (layer[1:] == layer[:-1]) & (layer[1:] != NOTHING),
        ]
        near = np.concatenate([n[a] for n, a in zip(lengths, alike, strict=True)])
        pitch = float(np.median(near)) if len(near) else 0.0
        slopes = []
        for axis, step, length, same in zip((1, 0), steps, lengths, alike, strict=True):
            joined = same & (length < _EDGE * pitch)
            both = np.zeros_like(place)
            count = np.zeros((*layer.shape, 1), dtype=place.dtype)
            for end in (slice(1, None), slice(None, -1)):
                at = (slice(None), end) if axis == 1 else (end, slice(None))
                both[at] += step * joined[..., None]
                count[at] += joined[..., None]
            slopes.append(both / count.clip(1))
        return _Grid(place, layer, pitch, np.stack(slopes, axis=3))

    def find(self, wanted: np.ndarray, layers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find places (N, 3) of layers (N,): (N, 2) pixels (x, y), and whether they are seen."""
        shown = self.layer != NOTHING
        nearest, near = _nearest(
            _apart(self.place[shown], self.layer[shown]),
            _apart(wanted, layers),
            _EDGE * self.pitch,
        )
        at = np.argwhere(shown)[nearest]  # (row, column)
        step, off = self._refine(at, wanted)
        for _ in range(_ROUNDS):
            # Where the surface is seen at a slant, the pixel that shows a place need not be the one
            # whose centre is nearest to it.
            beside = (at + np.rint(step)).clip(0, np.array(self.layer.shape) - 1).astype(int)
            turned = (beside != at).any(axis=1) & (self.layer[*beside.T] == layers)
            if not turned.any():
                break
            other, other_off = self._refine(beside[turned], wanted[turned])
            better = np.abs(other).max(axis=1) < np.abs(step[turned]).max(axis=1)
            better &= other_off < _OFF * self.pitch
            rows = np.flatnonzero(turned)[better]
            at[rows], step[rows], off[rows] = beside[rows], other[better], other_off[better]
        within = (np.abs(step) <= 0.5 + _SLIP).all(axis=1)
        seen = near & within & (off <= _OFF * self.pitch)
        # Within that very pixel: the next one may show something else.
        return (at + step.clip(-0.499, 0.499))[:, ::-1], seen

    def guess(self, wanted: np.ndarray, layers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the same layer on the other side of the body; else as `find`."""
        from scipy.ndimage import binary_erosion

        every = len(self.layer) // _GUESS_ROWS
        # Not from the outline, where a pixel has some of the scene's colour.
        shown = self.layer != NOTHING
        shown = binary_erosion(shown, iterations=every, border_value=1) if every else shown
        coarse = np.zeros_like(shown)
        coarse[:: every or 1, :: every or 1] = shown[:: every or 1, :: every or 1]
        if not len(wanted) or not coarse.any():
            return np.zeros((len(wanted), 2)), np.zeros(len(wanted), dtype=bool)
        squeeze = np.array([1.0, _THROUGH, 1.0])
        nearest, near = _nearest(
            _apart(self.place[coarse] * squeeze, self.layer[coarse]),
            _apart(wanted * squeeze, layers),
            _FAR,
        )
        return np.argwhere(coarse)[nearest][:, ::-1], near

    def _refine(self, at: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find by how much of a pixel (row, column) places lie beside those at pixels `at`.

        Returns:
            (N, 2), and (N,) the distance from there in metres.
        """
        slopes = self.slopes[*at.T][..., ::-1]  # (N, 3, 2)
        beside = wanted - self.place[*at.T]
        normal = np.einsum("nij,nik->njk", slopes, slopes)
        # Along a direction without a slope no step is taken.
        a, b, d = normal[:, 0, 0], normal[:, 0, 1], normal[:, 1, 1]
        damping = (0.02 * self.pitch) ** 2 + 1e-12
        a, d = a + damping, d + damping
        right = np.einsum("nij,ni->nj", slopes, beside)
        step = np.stack([d * right[:, 0] - b * right[:, 1], a * right[:, 1] - b * right[:, 0]], 1)
        step /= (a * d - b * b)[:, None]
        return step, np.linalg.norm(beside - np.einsum("nij,nj->ni", slopes, step), axis=1)


def _apart(places: np.ndarray, layers: np.ndarray) -> np.ndarray:
    # Places (N, 4), those of two layers a metre or more apart.
    return np.column_stack([places, layers.astype(np.float64)])


def _nearest(points: np.ndarray, wanted: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest point to each wanted one, and whether it is within reach; else point 0."""
    from scipy.spatial import KDTree

    # Built in a third of the time and, for points on a surface, searched as fast as a balanced one.
    tree = KDTree(points, leafsize=32, balanced_tree=False, compact_nodes=False)
    distance, index = tree.query(wanted, distance_upper_bound=reach)
    near = np.isfinite(distance)
    return np.where(near, index, 0), near
