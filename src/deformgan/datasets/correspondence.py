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

NEAR = 0.03  # metres at rest: nearer than this it is the same piece of surface
# How much of a distance along the second axis counts where hidden cloth is looked up on the other
# side of the body, and how far the match may then be, in metres.
_THROUGH, _FAR = 0.15, 0.12


@dataclass(frozen=True)
class Correspondence:
    """For every pixel of a target picture, where its surface is in the source picture.

    Attributes:
        source_from_target: (x, y) in pixels of the source; 0 where there is no match.
        matched: The pixel shows the body, and `source_from_target` says where to look.
        visible: The source picture shows that very piece of surface (within `NEAR`). What is
            matched and not visible is a guess through the body: the other side of a shirt.
        body: The pixel shows the body.
    """

    source_from_target: Float[Tensor, "2 height width"]
    matched: Bool[Tensor, "height width"]
    visible: Bool[Tensor, "height width"]
    body: Bool[Tensor, "height width"]


def correspond(source: Surface, target: Surface, stride: int = 1) -> Correspondence:
    """Match two pictures of one body.

    The nearest place at rest is looked for among the source's pixels and refined to a fraction of a
    pixel by the surface's slope there. A hidden surface is matched with distances along the body's
    second axis counted `_THROUGH` times, so that the back of a shirt finds its front; a hidden face
    has no match.

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
        surface = source.place.permute(1, 2, 0).numpy()
        pixels = np.argwhere(shown)[:, ::-1]  # (x, y)
        wanted = places[body]
        nearest, near = _nearest(surface[shown], wanted, NEAR)
        at = pixels[nearest]
        place = at + _refine(surface, shown, at, wanted)
        # A guess needs no more than every second pixel.
        coarse = shown.copy()
        coarse[1::2], coarse[:, 1::2] = False, False
        known = near.copy()
        hidden = ~near & (layers[body] != FACE)
        if hidden.any() and coarse.any():
            squeeze = np.array([1.0, _THROUGH, 1.0])
            other, through = _nearest(surface[coarse] * squeeze, wanted[hidden] * squeeze, _FAR)
            place[hidden] = np.argwhere(coarse)[:, ::-1][other]
            known[hidden] = through
        found[body] = place * known[:, None]
        matched[body], visible[body] = known, near
    return Correspondence(
        torch.from_numpy(found).permute(2, 0, 1),
        *(torch.from_numpy(mask) for mask in (matched, visible, body)),
    )


def _nearest(points: np.ndarray, wanted: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest point to each wanted one, and whether it is within reach; else point 0."""
    from scipy.spatial import KDTree

    # Built in a third of the time and, for points on a surface, searched as fast as a balanced one.
    tree = KDTree(points, leafsize=32, balanced_tree=False, compact_nodes=False)
    distance, index = tree.query(wanted, distance_upper_bound=reach)
    near = np.isfinite(distance)
    return np.where(near, index, 0), near


def _refine(
    surface: np.ndarray, shown: np.ndarray, at: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Find by how much of a pixel the wanted places lie beside those at whole pixels.

    Args:
        surface: (height, width, 3) places.
        shown: (height, width) where they are known.
        at: (N, 2) pixels (x, y).
        wanted: (N, 3) places near them.

    Returns:
        (N, 2) at most half a pixel to each side; 0 where the surface has an edge.
    """
    height, width = shown.shape
    column, row = at.T
    here = surface[row, column]
    slopes, smooth = [], np.ones(len(at), dtype=bool)
    for dx, dy in ((1, 0), (0, 1)):
        low = (row - dy).clip(0), (column - dx).clip(0)
        high = (row + dy).clip(max=height - 1), (column + dx).clip(max=width - 1)
        span = (high[0] - low[0]) + (high[1] - low[1])
        rise = surface[high] - surface[low]
        # A step of more than NEAR a pixel is an edge between two pieces of surface.
        smooth &= shown[low] & shown[high] & (np.linalg.norm(rise, axis=1) < NEAR * span)
        slopes.append(rise / span[:, None])
    jacobian = np.stack(slopes, axis=2)  # (N, 3, 2)
    normal = np.einsum("nij,nik->njk", jacobian, jacobian)
    determinant = normal[:, 0, 0] * normal[:, 1, 1] - normal[:, 0, 1] ** 2
    # Surfaces seen edge-on have no slope to divide by.
    smooth &= determinant > 1e-2 * normal[:, 0, 0] * normal[:, 1, 1]
    right = np.einsum("nij,ni->nj", jacobian, wanted - here)
    safe = np.where(smooth, determinant, 1.0)
    step = np.stack(
        [
            (normal[:, 1, 1] * right[:, 0] - normal[:, 0, 1] * right[:, 1]) / safe,
            (normal[:, 0, 0] * right[:, 1] - normal[:, 0, 1] * right[:, 0]) / safe,
        ],
        axis=1,
    )
    return np.where(smooth[:, None], step, 0.0).clip(-0.5, 0.5)
