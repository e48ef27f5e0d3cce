"""lay_out: where to draw the joints of a skeleton.

This imports numpy, so commands import it inside their functions.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from deformgan.pose import Skeleton

_ROUNDS = 300


def lay_out(skeleton: Skeleton) -> Float[np.ndarray, "joints 2"]:
    """Spreads joints so that their distances are those along the bones, mirrored ones aside.

    Joints that no bone reaches hang on the others of their part. The first joint is at the top,
    and right joints are on the left, as in a picture of somebody who looks at us.

    Args:
        skeleton: Of an object of which no typical pose is known.

    Returns:
        (x, y), y downwards, in bones.

    Source:
        Gansner et al., "Graph Drawing by Stress Majorization", GD 2004.
    """
    count = len(skeleton.joints)
    wanted = _steps(skeleton)
    weight = 1 / np.maximum(wanted, 1) ** 2
    np.fill_diagonal(weight, 0)
    # Begun on an ellipse: on a circle a symmetric skeleton can stay folded up.
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
    """Counts the bones between every two joints; unconnected ones are one more than the most."""
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
    """Turns the right joints to the left of the picture, and the first joint to its top."""
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
