"""lay_out: compute where to draw the joints of a skeleton.

This imports numpy, so commands import it inside their functions.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from deformgan.pose import Skeleton

_ROUNDS = 300


def lay_out(skeleton: Skeleton) -> Float[np.ndarray, "joints 2"]:
    """Place joints so that distances match those along the bones, with mirrored joints level.

    Joints without bones are linked to the others of their part. The first joint is at the top, and
    right joints are on the left, as in a picture of a person facing the viewer.

    Args:
        skeleton: Skeleton without a typical pose.

    Returns:
        (x, y), y pointing down, in bone lengths.

    Source:
        Gansner et al., "Graph Drawing by Stress Majorization", GD 2004.
    """
    count = len(skeleton.joints)
    wanted = _steps(skeleton)
    weight = 1 / np.maximum(wanted, 1) ** 2
    np.fill_diagonal(weight, 0)
    # Start on an ellipse: from a circle, a symmetric skeleton can stay folded.
    turn = 2 * np.pi * np.arange(count) / count
    places = np.stack([np.sin(turn), -1.3 * np.cos(turn)], axis=1) * wanted.max() / 2
    laplacian = np.diag(weight.sum(axis=1)) - weight
    inverse = np.linalg.pinv(laplacian)
    for _ in range(_ROUNDS):
        apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
        pull = -weight * wanted / np.maximum(apart, 1e-9)
        np.fill_diagonal(pull, 0)
        np.fill_diagonal(pull, -pull.sum(axis=1))
        places = inverse @ (pull @ places)
    return _upright(places - places.mean(axis=0), skeleton)


def _steps(skeleton: Skeleton) -> np.ndarray:
    """Count the bones between every two joints; one more than the maximum if unconnected."""
    count = len(skeleton.joints)
    steps = np.where(np.eye(count, dtype=bool), 0.0, np.inf)
    bones = [tuple(skeleton.indices(bone)) for bone in skeleton.limbs]
    boned = {joint for bone in bones for joint in bone}
    for part in skeleton.parts:
        chain = skeleton.indices([*part.joints, *part.anchors])
        bones += [pair for pair in pairwise(chain) if not boned.issuperset(pair)]
    for one, other in bones:
        steps[one, other] = steps[other, one] = 1
    for middle in range(count):
        steps = np.minimum(steps, steps[:, middle, None] + steps[None, middle])
    return np.where(np.isinf(steps), steps[np.isfinite(steps)].max() + 1, steps)


def _upright(places: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Rotate right joints to the left of the picture, and flip the first joint to the top."""
    if skeleton.mirrored:
        right, left = (skeleton.indices(side) for side in zip(*skeleton.mirrored, strict=True))
        across = (places[left] - places[right]).sum(axis=0)
    else:
        across = np.array([-places[0, 1], places[0, 0]])
    length = np.linalg.norm(across)
    if length > 0:
        x, y = across / length
        places = places @ np.array([[x, -y], [y, x]])
    if places[0, 1] > 0:
        places = places * [1, -1]
    return places
