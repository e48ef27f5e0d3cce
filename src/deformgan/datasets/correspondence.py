"""correspond: exact correspondence between the surfaces in a source and a target picture.

Both are rendered from one body, so a position on the body at rest identifies a point in both.
"""

from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deformgan.datasets.surfaces import FACE, NOTHING, Surface
from deformgan.errors import InputError

# In units of the pitch: the median rest distance in metres between neighbouring source pixels.
_EDGE = 6.0  # a larger step between neighbouring pixels leads to another piece of surface
_OFF = 1.0  # tolerated distance of a point from the plane through the pixels around it
_SLIP = 0.1  # tolerated distance in pixels beyond the edge of the pixel that shows a point
_ROUNDS = 3  # attempts to find a better pixel beside the nearest one
# For hidden cloth, matched through the body: weight of distances along the second axis, and the
# largest distance of a match in metres.
_THROUGH, _FAR = 0.15, 0.12
_GUESS_ROWS = 128  # resolution sufficient for a guess
_FACE_SHARE = 0.6  # of a face must be visible if any of it is to be copied


@dataclass(frozen=True)
class Correspondence:
    """For every pixel of a target picture, the position of its surface in the source picture.

    Attributes:
        source_from_target: (x, y) in pixels of the source; 0 if there is no match.
        matched: Whether the pixel shows the body and `source_from_target` is defined.
        visible: Whether a source pixel shows the very same point. A match that is not visible is a
            guess through the body, such as the front of a shirt for its back.
        body: Whether the pixel shows the body.
    """

    source_from_target: Float[Tensor, "2 height width"]
    matched: Bool[Tensor, "height width"]
    visible: Bool[Tensor, "height width"]
    body: Bool[Tensor, "height width"]

    def mirrored(self, width: int) -> "Correspondence":
        """Return the correspondence to a mirrored source of the given width in pixels."""
        x, y = self.source_from_target
        x = torch.where(self.matched, width - 1 - x, x)
        return Correspondence(torch.stack([x, y]), self.matched, self.visible, self.body)


def correspond(source: Surface, target: Surface, stride: int = 1) -> Correspondence:
    """Match two pictures of one body, layer by layer.

    For each target point, the nearest rest position among the source pixels is found and refined to
    a fraction of a pixel using the local slope of the surface. The point is visible if it lies
    within a source pixel. Hidden surfaces are matched with distances along the body's second axis
    scaled by `_THROUGH`, so that the back of a shirt matches its front. A hidden face has no match,
    and layers never match other layers.

    Args:
        source: Surface of the picture to sample from.
        target: Surface of the picture to paint; may have another size.
        stride: Match every `stride`-th target pixel, starting with the first.

    Returns:
        The correspondence, with the target's height and width divided by the stride, rounded up.
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


def whole_faces(found: Correspondence, target: Surface, stride: int = 1) -> Correspondence:
    """Decide of every face as a whole whether it is copied.

    Half of a profile copied into a front view beside a painted half looks worse than a painted
    face. Where the source shows most of a face, its hidden pixels are matched with what the nearest
    visible one shows; otherwise none of its pixels is matched.

    Args:
        found: What `correspond` found for the target.
        target: Surface of the target picture.
        stride: As for `correspond`.
    """
    face = found.body & (target.layer[::stride, ::stride] == FACE)
    seen = found.visible & face
    if not face.any():
        return found
    if seen.sum() < _FACE_SHARE * face.sum():
        return replace(found, visible=found.visible & ~face, matched=found.matched & ~face)
    from scipy.ndimage import distance_transform_edt

    y, x = distance_transform_edt(~seen.numpy(), return_distances=False, return_indices=True)
    nearest = found.source_from_target[:, torch.from_numpy(y).long(), torch.from_numpy(x).long()]
    place = torch.where(face & ~seen, nearest, found.source_from_target)
    return replace(found, source_from_target=place, matched=found.matched | face)


@dataclass(frozen=True)
class _Grid:
    """A picture's surface, indexed for nearest-point queries.

    Attributes:
        place: (height, width, 3).
        layer: (height, width).
        pitch: Median distance between the places of neighbouring pixels, in metres.
        slopes: (height, width, 3, 2), the change of place with x and y in metres per pixel,
            averaged over the neighbours on the same piece of surface; 0 if there are none.
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
        """Find places (N, 3) of layers (N,): pixels (N, 2) as (x, y), and whether visible."""
        shown = self.layer != NOTHING
        nearest, near = _nearest(
            _apart(self.place[shown], self.layer[shown]),
            _apart(wanted, layers),
            _EDGE * self.pitch,
        )
        at = np.argwhere(shown)[nearest]  # (row, column)
        step, off = self._refine(at, wanted)
        for _ in range(_ROUNDS):
            # On a slanted surface the pixel that shows a point need not be the one whose centre is
            # nearest to it.
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
        # Stay within that pixel: its neighbour may show something else.
        return (at + step.clip(-0.499, 0.499))[:, ::-1], seen

    def guess(self, wanted: np.ndarray, layers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the same layer on the other side of the body; results as in `find`."""
        from scipy.ndimage import binary_erosion

        every = len(self.layer) // _GUESS_ROWS
        # Skip the outline, where pixels are blended with the background.
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
        """Compute the subpixel offset (row, column) of places from those at pixels `at`.

        Returns:
            Offsets (N, 2), and remaining distances (N,) in metres.
        """
        slopes = self.slopes[*at.T][..., ::-1]  # (N, 3, 2)
        beside = wanted - self.place[*at.T]
        normal = np.einsum("nij,nik->njk", slopes, slopes)
        # The damping prevents a step along a direction without slope.
        a, b, d = normal[:, 0, 0], normal[:, 0, 1], normal[:, 1, 1]
        damping = (0.02 * self.pitch) ** 2 + 1e-12
        a, d = a + damping, d + damping
        right = np.einsum("nij,ni->nj", slopes, beside)
        step = np.stack([d * right[:, 0] - b * right[:, 1], a * right[:, 1] - b * right[:, 0]], 1)
        step /= (a * d - b * b)[:, None]
        return step, np.linalg.norm(beside - np.einsum("nij,nj->ni", slopes, step), axis=1)


def _apart(places: np.ndarray, layers: np.ndarray) -> np.ndarray:
    # Places (N, 4): the layer as a fourth coordinate keeps layers at least a metre apart.
    return np.column_stack([places, layers.astype(np.float64)])


def _nearest(points: np.ndarray, wanted: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest point to each wanted one and whether it is within reach (else index 0)."""
    from scipy.spatial import KDTree

    # On surface points this tree builds in a third of the time and is as fast as a balanced one.
    tree = KDTree(points, leafsize=32, balanced_tree=False, compact_nodes=False)
    distance, index = tree.query(wanted, distance_upper_bound=reach)
    near = np.isfinite(distance)
    return np.where(near, index, 0), near
