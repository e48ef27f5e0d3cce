"""Posture: a person's pose, standing or walking, as angles; independent of the identity."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from deformgan.rendering.body import Body

# One gait cycle in degrees at tenths of the cycle, from heel strike of a leg to its next one
# (textbook gait curves, digitized and rounded): thigh forward, knee bent, toes up.
_THIGH = (28.0, 22.0, 12.0, 2.0, -8.0, -14.0, -4.0, 14.0, 27.0, 31.0)
_KNEE = (6.0, 16.0, 16.0, 9.0, 6.0, 15.0, 42.0, 62.0, 46.0, 12.0)
_TOES = (18.0, 0.0, 0.0, 0.0, -6.0, -32.0, -52.0, -30.0, -4.0, 14.0)

# Flexion of the fingers in degrees at knuckle, middle and tip: hanging hands are half open.
_RELAXED = (24.0, 34.0, 22.0)
_GRIP = (48.0, 62.0, 40.0)
# How far the fingers, spread at rest, close towards the middle one, and the thumb towards the hand.
_CLOSED, _THUMB_CLOSED = 0.75, 0.45


@dataclass(frozen=True)
class Leg:
    """One leg, in degrees from hanging straight down.

    Attributes:
        forward: Forward angle of the thigh.
        outward: Outward angle of the thigh.
        knee: Flexion of the knee.
        toes: Upward angle of the toes from the horizontal.
        turned_out: Outward rotation of the foot.
    """

    forward: float = 0.0
    outward: float = 3.0
    knee: float = 3.0
    toes: float = 0.0
    turned_out: float = 8.0


@dataclass(frozen=True)
class Arm:
    """One arm, in degrees from hanging straight down.

    Attributes:
        forward: Forward angle of the upper arm.
        outward: Outward angle of the upper arm.
        elbow: Forward flexion of the forearm from the upper arm.
        inward: Rotation of the forearm towards the body's middle.
        forearm_outward: Outward angle of the forearm; None for half of the upper arm's, as of arms
            that hang.
    """

    forward: float = 0.0
    outward: float = 9.0
    elbow: float = 12.0
    inward: float = 8.0
    forearm_outward: float | None = None


@dataclass(frozen=True)
class Posture:
    """The pose of a whole body, in degrees; right and left are the person's own.

    Attributes:
        right_leg, left_leg, right_arm, left_arm: The limbs.
        lean: Forward bend of the trunk.
        sway: Bend of the trunk to the person's left.
        twist: Rotation of the shoulders to the person's left, relative to the hips.
        head_turn: Rotation of the head to the person's left, relative to the shoulders.
        head_down: Downward inclination of the head.
        heading: Direction faced: 0 towards the camera, 90 to the image's right, 180 away.
        holds_phone: Whether there is a phone in the right hand.
    """

    right_leg: Leg = Leg()
    left_leg: Leg = Leg()
    right_arm: Arm = Arm()
    left_arm: Arm = Arm()
    lean: float = 2.0
    sway: float = 0.0
    twist: float = 0.0
    head_turn: float = 0.0
    head_down: float = 0.0
    heading: float = 0.0
    holds_phone: bool = False


def _cycle(table: tuple[float, ...], phase: float) -> float:
    # Trigonometric interpolation: smooth, periodic, exact at the tenths.
    spectrum = np.fft.rfft(table) / len(table)
    turns = np.exp(2j * np.pi * np.arange(len(spectrum)) * phase)
    scale = np.array([1, *[2] * (len(spectrum) - 2), 1])
    return float((spectrum * turns * scale).real.sum())


def walking(phase: float, stride: float = 1.0, arm_swing: float = 1.0) -> Posture:
    """Return a moment of a walk.

    Args:
        phase: Phase of the cycle: 0 at the left heel's strike, 0.5 at the right one's.
        stride: Length of the steps relative to a normal walk.
        arm_swing: Amplitude of the arms' swing relative to a normal walk.
    """

    def leg(phase: float) -> Leg:
        thigh, knee, toes = (_cycle(table, phase) for table in (_THIGH, _KNEE, _TOES))
        return Leg(thigh * stride, 1.5, max(2.0, knee * (0.4 + 0.6 * stride)), toes * stride, 6.0)

    def arm(phase: float) -> Arm:
        swing = -np.cos(2 * np.pi * phase) * arm_swing * stride
        return Arm(4 + 22 * swing, 8.0, 20 + 10 * swing * (swing > 0), 6.0)

    return Posture(
        right_leg=leg(phase + 0.5),
        left_leg=leg(phase),
        right_arm=arm(phase + 0.5),
        left_arm=arm(phase),
        lean=3.0,
        twist=-6 * np.cos(2 * np.pi * phase) * stride,
    )


def sample_posture(random: np.random.Generator) -> Posture:
    """Sample a street posture: mostly walking, also standing, phones, bags, turning."""

    def spread(mean: float, deviation: float) -> float:
        return float(np.clip(random.normal(mean, deviation), mean - 2.5 * deviation,
                             mean + 2.5 * deviation))  # fmt: skip

    if random.random() < 0.68:
        posture = walking(random.random(), spread(0.88, 0.14), abs(spread(0.8, 0.35)))
    else:
        rest = random.random() < 0.5  # one leg bears the weight, the other rests
        posture = Posture(
            right_leg=Leg(
                spread(0.0, 3.0), spread(4.0, 2.0), abs(spread(3.0, 2.0)), 0.0, spread(10.0, 6.0)
            ),
            left_leg=Leg(
                spread(8.0 if rest else 0.0, 3.0),
                spread(6.0 if rest else 4.0, 2.0),
                abs(spread(16.0 if rest else 3.0, 3.0)),
                0.0,
                spread(12.0, 6.0),
            ),
            right_arm=Arm(
                spread(0.0, 6.0), spread(9.0, 3.0), abs(spread(12.0, 6.0)), spread(10.0, 6.0)
            ),
            left_arm=Arm(
                spread(0.0, 6.0), spread(9.0, 3.0), abs(spread(12.0, 6.0)), spread(10.0, 6.0)
            ),
            twist=spread(0.0, 6.0),
        )
    if random.random() < 0.12:  # walking round a corner
        posture = replace(posture, twist=posture.twist + spread(0.0, 14.0))
    action = random.random()
    arms = {"right_arm": posture.right_arm, "left_arm": posture.left_arm}
    side = "right_arm" if random.random() < 0.65 else "left_arm"
    head_down, phone = spread(6.0, 6.0), False
    if action < 0.12:  # looks at a phone
        arms["right_arm"] = Arm(
            spread(22.0, 6.0), spread(8.0, 3.0), spread(95.0, 10.0), spread(32.0, 6.0)
        )
        if random.random() < 0.4:
            arms["left_arm"] = Arm(
                spread(22.0, 6.0), spread(8.0, 3.0), spread(92.0, 10.0), spread(36.0, 6.0)
            )
        head_down, phone = spread(22.0, 6.0), True
    elif action < 0.17:  # phone at the ear
        arms["right_arm"] = Arm(
            spread(35.0, 6.0), spread(22.0, 5.0), spread(128.0, 6.0), spread(8.0, 4.0)
        )
        phone = True
    elif action < 0.25:  # holds a strap or the lapel
        arms[side] = Arm(
            spread(12.0, 5.0), spread(14.0, 4.0), spread(120.0, 10.0), spread(30.0, 6.0)
        )
    elif action < 0.31:  # hand in a pocket
        arms[side] = Arm(
            spread(-12.0, 4.0), spread(20.0, 4.0), spread(38.0, 6.0), spread(28.0, 6.0)
        )
    elif action < 0.35:  # hands behind the back
        for arm in arms:
            arms[arm] = Arm(
                spread(-26.0, 4.0), spread(12.0, 3.0), spread(25.0, 6.0), spread(42.0, 5.0)
            )
    elif action < 0.40:  # carries something in front
        for arm in arms:
            arms[arm] = Arm(
                spread(12.0, 5.0), spread(10.0, 3.0), spread(75.0, 12.0), spread(25.0, 8.0)
            )
    elif action < 0.43:  # points or waves
        arms[side] = Arm(
            spread(70.0, 20.0), spread(25.0, 12.0), spread(40.0, 20.0), spread(0.0, 10.0)
        )
    return replace(
        posture,
        **arms,
        lean=posture.lean + spread(1.5, 2.5),
        sway=spread(0.0, 2.0),
        head_turn=spread(0.0, 14.0 if random.random() < 0.8 else 32.0),
        head_down=head_down,
        heading=_sample_heading(random),
        holds_phone=phone,
    )


def sample_active(posture: Posture, random: np.random.Generator) -> Posture:
    """Change a street posture into one of sport or dance: arms and legs in any direction.

    Args:
        posture: What it begins with; some legs stay as they are.
        random: Source of random numbers.
    """
    between = random.uniform

    def arm() -> Arm:
        if random.random() < 0.7:  # raised sideways, up to vertical
            outward = between(15.0, 178.0)
            forearm = float(np.clip(outward + between(-70.0, 90.0), -20, 185))
            return Arm(between(-20.0, 25.0), outward, between(0.0, 30.0), 0.0, forearm)
        return Arm(
            between(-50.0, 170.0), between(0.0, 45.0), between(0.0, 110.0), between(-10.0, 40.0)
        )

    legs = {"right_leg": posture.right_leg, "left_leg": posture.left_leg}
    kind, first, second = random.random(), *random.permutation(["right_leg", "left_leg"])
    if kind < 0.2:  # apart
        legs = {
            side: Leg(between(-8.0, 12.0), between(8.0, 38.0), between(0.0, 15.0)) for side in legs
        }
    elif kind < 0.35:  # a squat
        forward, knee, outward = between(25.0, 85.0), between(0.0, 25.0), between(5.0, 38.0)
        legs = {side: Leg(forward, outward, forward + knee, 0.0, outward) for side in legs}
    elif kind < 0.5:  # a leg in the air
        legs[first] = Leg(
            between(20.0, 95.0), between(0.0, 35.0), between(0.0, 110.0), between(-30.0, 10.0)
        )
        legs[second] = Leg(between(-8.0, 8.0), between(0.0, 10.0), between(2.0, 20.0))
    elif kind < 0.65:  # a run
        legs[first] = Leg(
            between(35.0, 80.0), between(0.0, 8.0), between(50.0, 110.0), between(-10.0, 15.0)
        )
        legs[second] = Leg(
            between(-35.0, 0.0), between(0.0, 8.0), between(10.0, 90.0), between(-50.0, 0.0)
        )
    return replace(
        posture,
        **legs,
        right_arm=arm(),
        left_arm=arm(),
        lean=between(-8.0, 22.0),
        sway=float(np.clip(random.normal(0, 9), -25, 25)),
        twist=between(-20.0, 20.0),
        holds_phone=False,
    )


def _sample_heading(random: np.random.Generator) -> float:
    # Cameras look along the paths that people walk: towards them and away are more frequent.
    if random.random() < 0.5:
        return float(random.uniform(-180, 180))
    heading = random.choice([0.0, 180.0]) + np.clip(random.normal(0, 28), -80, 80)
    return float((heading + 180) % 360 - 180)


def _rotation(axis: int, degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i], matrix[j, j], matrix[i, j], matrix[j, i] = cos, cos, -sin, sin
    return matrix


def _about(axis: np.ndarray, degrees: float) -> np.ndarray:
    # The rotation about a unit vector.
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    # The smallest rotation that maps one direction to another (Rodrigues).
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    v, c = np.cross(start, end), float(start @ end)
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + cross + cross @ cross / max(1 + c, 1e-6)


def _hanging(forward: float, outward: float, side: int) -> np.ndarray:
    # Direction of a limb swung from hanging straight down; forwards is -y.
    down = np.array([0.0, 0.0, -1.0])
    return _rotation(0, -forward) @ _rotation(1, -side * outward) @ down


def bone_rotations(body: Body, posture: Posture) -> np.ndarray:
    """Compute the orientation of every bone in the world, (bones, 3, 3), for `Body.move`."""
    model = body.model
    limbs = {
        "R": (posture.right_leg, posture.right_arm, -1),
        "L": (posture.left_leg, posture.left_arm, 1),
    }
    root = _rotation(2, posture.heading)
    # Bending and turning is distributed over the bones of the spine and of the neck.
    spine = (
        _rotation(2, posture.twist / 4)
        @ _rotation(0, posture.lean / 4)
        @ _rotation(1, posture.sway / 4)
    )
    neck = _rotation(2, posture.head_turn / 3) @ _rotation(0, posture.head_down / 3)
    local = {f"spine0{n}": spine for n in (1, 2, 3, 4)} | {
        "neck02": neck,
        "neck03": neck,
        "head": neck,
    }
    aim: dict[str, tuple[np.ndarray, str]] = {}
    fixed = {}
    for side, (leg, arm, sign) in limbs.items():
        thigh = root @ _hanging(leg.forward, leg.outward, sign)
        shin = root @ _hanging(leg.forward - leg.knee, leg.outward * 0.7, sign)
        aim[f"upperleg01.{side}"] = (thigh, f"lowerleg01.{side}")
        aim[f"lowerleg01.{side}"] = (shin, f"foot.{side}")
        fixed[f"foot.{side}"] = (
            root @ _rotation(2, sign * (leg.turned_out - 8)) @ _rotation(0, -leg.toes)
        )
        aim[f"upperarm01.{side}"] = (
            _hanging(arm.forward, arm.outward, sign),
            f"lowerarm01.{side}",
        )
        outward = arm.outward * 0.5 if arm.forearm_outward is None else arm.forearm_outward
        forearm = _hanging(arm.forward + arm.elbow, outward, sign)
        aim[f"lowerarm01.{side}"] = (
            _rotation(2, -sign * arm.inward) @ forearm,
            f"wrist.{side}",
        )
        holds = side == "R" and posture.holds_phone
        local |= _bent_fingers(body, side, _GRIP if holds else _RELAXED)
    rotations = np.empty((len(model.bones), 3, 3))
    for bone, (name, parent) in enumerate(zip(model.bones, model.parents, strict=True)):
        carried = root if parent < 0 else rotations[parent]
        if name in fixed:
            rotations[bone] = fixed[name]
        elif name in aim:
            direction, towards = aim[name]
            if "arm" in name:  # arms hang from the shoulders, legs from the hips
                direction = rotations[model.bone("spine01")] @ direction
            rest = carried @ (body.head(towards) - body.head(name))
            rotations[bone] = _between(rest, direction) @ carried
        elif name.startswith(("lowerarm02", "wrist")):
            side = name[-1]
            chest = rotations[model.bone("spine01")]
            angle = _turn_of_palm(body, side, chest, carried, side == "R" and posture.holds_phone)
            # Half of the hand's rotation occurs in the forearm, the rest at the wrist.
            share = 0.5 if name.startswith("lowerarm02") else 1.0
            rotations[bone] = _about(carried @ _hand(body, side)[0], share * angle) @ carried
        else:
            rotations[bone] = carried @ local[name] if name in local else carried
    return rotations


def _hand(body: Body, side: str) -> tuple[np.ndarray, np.ndarray]:
    # Unit vectors at rest: along the hand, and out of its palm.
    knuckles = [body.head(f"finger{n}-1.{side}") for n in (2, 3, 5)]
    along = knuckles[1] - body.head(f"wrist.{side}")
    across = (knuckles[0] - knuckles[2]) * (1 if side == "R" else -1)
    palm = np.cross(across, along)
    return along / np.linalg.norm(along), palm / np.linalg.norm(palm)


def _turn_of_palm(
    body: Body, side: str, chest: np.ndarray, carried: np.ndarray, holds: bool
) -> float:
    # Rotation about the hand's axis, in degrees, after which the palm faces the body's middle and
    # slightly backwards; when holding something, the face.
    inward = -1.0 if side == "L" else 1.0
    wanted = chest @ np.array([inward * 0.5, 0.6, 0.6] if holds else [inward, 0.45, 0.0])
    along, palm = (carried @ v for v in _hand(body, side))
    flat = wanted - (wanted @ along) * along
    angle = np.degrees(np.arctan2(np.cross(palm, flat) @ along, palm @ flat))
    return float(np.clip(angle, -110, 110))


@lru_cache(maxsize=16)
def _bent_fingers(body: Body, side: str, bend: tuple[float, ...]) -> dict[str, np.ndarray]:
    # The rotation of every finger bone relative to the preceding one.
    along, palm = _hand(body, side)
    axis = np.cross(along, palm)

    def direction(finger: int) -> np.ndarray:
        start, end = (body.head(f"finger{finger}-{n}.{side}") for n in (1, 3))
        return (end - start) / np.linalg.norm(end - start)

    local = {}
    for finger in (1, 2, 3, 4, 5):
        share = _THUMB_CLOSED if finger == 1 else _CLOSED
        closed = (1 - share) * direction(finger) + share * direction(3)
        strength = 0.4 if finger == 1 else 0.75 + 0.1 * finger
        for n, angle in enumerate(bend, start=1):
            local[f"finger{finger}-{n}.{side}"] = _about(axis, strength * angle)
        first = f"finger{finger}-1.{side}"
        local[first] = local[first] @ _between(direction(finger), closed)
    return local
