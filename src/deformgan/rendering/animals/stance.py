"""Stance: the pose of a four-legged animal, as the angles of its limbs."""

from dataclasses import dataclass, field, replace

import numpy as np

LEGS = ("left_front", "right_front", "left_back", "right_back")
_Four = tuple[float, float, float, float]


@dataclass(frozen=True)
class Stance:
    """Angles in radians; those of legs in the order of `LEGS`.

    Attributes:
        swing: Forward rotation of each leg as a whole.
        lift: Bend of each leg; 0 when standing on it.
        pitch: Elevation of the trunk's front.
        neck: Offset of the neck's elevation.
        turn: Rotation of neck and head to the left.
        nod: Offset of the head's inclination.
        tail: Elevation of the tail above hanging behind.
        wag: Rotation of the tail to the left.
        sits: Whether the hind legs are folded under the trunk.
        heading: Rotation of the whole animal about the vertical; 0 faces the right of the picture.
    """

    swing: _Four = (0.0, 0.0, 0.0, 0.0)
    lift: _Four = (0.0, 0.0, 0.0, 0.0)
    pitch: float = 0.0
    neck: float = 0.0
    turn: float = 0.0
    nod: float = 0.0
    tail: float = 0.0
    wag: float = 0.0
    sits: bool = False
    heading: float = 0.0


STANDING = Stance()


@dataclass(frozen=True)
class _Gait:
    # Phase of each leg in the stride, amplitude of swing and lift.
    phases: _Four
    swing: float
    lift: float
    share: float = field(default=0.0)  # share of all pictures


_GAITS = {
    "stand": _Gait((0.0, 0.5, 0.25, 0.75), 0.1, 0.05, 0.22),
    "walk": _Gait((0.0, 0.5, 0.75, 0.25), 0.36, 0.6, 0.26),
    "trot": _Gait((0.0, 0.5, 0.5, 0.0), 0.5, 0.9, 0.2),
    "gallop": _Gait((0.0, 0.12, 0.5, 0.62), 0.78, 1.0, 0.12),
}
_SIT, _REAR = 0.12, 0.08  # shares of the remaining pictures


def sample_stance(random: np.random.Generator) -> Stance:
    """Sample an animal's pose and heading."""
    kinds = [*_GAITS, "sit", "rear"]
    shares = [*(gait.share for gait in _GAITS.values()), _SIT, _REAR]
    kind = kinds[random.choice(len(kinds), p=shares)]
    stance = Stance(
        neck=float(random.normal(0, 0.25)),
        turn=float(np.clip(random.normal(0, 0.35), -0.9, 0.9)),
        nod=float(random.normal(0, 0.2)),
        tail=float(random.normal(0.1, 0.45)),
        wag=float(random.normal(0, 0.3)),
        heading=float(random.uniform(-np.pi, np.pi)),
    )
    if kind == "sit":
        swing = tuple((random.normal(0, 0.08, 4)).tolist())
        return replace(stance, sits=True, pitch=float(random.uniform(0.5, 0.8)), swing=_four(swing))
    if kind == "rear":
        swing = [*random.uniform(0.5, 1.3, 2), *random.uniform(-0.25, 0.15, 2)]
        lift = [*random.uniform(0.4, 1.2, 2), 0.0, 0.0]
        pitch = float(random.uniform(0.5, 0.95))
        return replace(stance, pitch=pitch, swing=_four(swing), lift=_four(lift))
    gait = _GAITS[kind]
    angle = 2 * np.pi * (random.random() + np.array(gait.phases))
    strength = random.uniform(0.6, 1.15)
    # A leg is lifted while it moves forward.
    swing = gait.swing * strength * np.sin(angle) + random.normal(0, 0.05, 4)
    lift = gait.lift * strength * np.cos(angle).clip(0)
    stance = replace(stance, swing=_four(swing), lift=_four(lift))
    if kind in ("stand", "walk") and random.random() < 0.3:  # grazing
        stance = replace(stance, neck=float(random.uniform(-1.7, -1.1)), nod=0.3)
    return replace(stance, pitch=float(random.normal(0, 0.05 if kind != "gallop" else 0.14)))


def _four(values) -> _Four:
    first, second, third, fourth = (float(value) for value in values)
    return first, second, third, fourth
