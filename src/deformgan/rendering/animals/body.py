"""move: an animal in a stance, as a mesh of tubes and the joints of `quadruped20`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deformgan.rendering.animals.anatomy import Build
from deformgan.rendering.animals.coat import PIECES
from deformgan.rendering.animals.stance import LEGS, STANDING, Stance
from deformgan.skeletons import SKELETONS

QUADRUPED20 = SKELETONS["quadruped20"]
_BACK = 1.0  # height of the back at rest, in metres
_AROUND = 14  # vertices per ring
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Body:
    """An animal in the world, standing on the ground, centred about the origin.

    Attributes:
        vertices: (vertices, 3) in metres.
        triangles: (triangles, 3) vertex indices.
        piece: (vertices,) index in `PIECES` of each vertex.
        along: (vertices,) position along the piece, from 0 at its root to 1 at its end.
        joints: (20, 3) the joints of `quadruped20`.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    piece: np.ndarray
    along: np.ndarray
    joints: np.ndarray


@dataclass(frozen=True)
class _Tube:
    # A surface around a path, with half-width and half-height at every point.
    piece: str
    path: np.ndarray
    wide: np.ndarray
    high: np.ndarray
    side: np.ndarray  # approximate direction of its width
    tip: float = 1.0  # roundness of its ends


def _tube(
    piece: str,
    path: Sequence[np.ndarray],
    wide: Sequence[float],
    high: Sequence[float] | None = None,
    side: np.ndarray | None = None,
) -> _Tube:
    sideways = np.array([0.0, 1.0, 0.0]) if side is None else side
    return _Tube(
        piece, np.array(path), np.array(wide), np.array(wide if high is None else high), sideways
    )


def move(build: Build, stance: Stance = STANDING) -> Body:
    """Pose an animal in a stance.

    Args:
        build: Proportions; the mesh topology depends on them but not on the stance.
        stance: The animal's pose.
    """
    tubes, joints = _lay_out(build, stance)
    parts = [_mesh(tube) for tube in tubes]
    vertices = np.concatenate([part[0] for part in parts])
    counts = [len(part[0]) for part in parts]
    starts = np.cumsum([0, *counts[:-1]])
    triangles = np.concatenate([part[1] + start for part, start in zip(parts, starts, strict=True)])
    piece = np.repeat([PIECES.index(tube.piece) for tube in tubes], counts)
    along = np.concatenate([part[2] for part in parts])
    places = np.array([joints[name] for name in QUADRUPED20.joints])
    # Place it on the ground, its trunk's middle above the origin, then rotate about the vertical.
    middle = (joints["neck"] + joints["root_of_tail"]) / 2
    lift = np.array([-middle[0], -middle[1], -vertices[:, 2].min()])
    cos, sin = np.cos(stance.heading), np.sin(stance.heading)
    turned = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return Body((vertices + lift) @ turned.T, triangles, piece, along, (places + lift) @ turned.T)


def _direction(pitch: float, yaw: float = 0.0) -> np.ndarray:
    return np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)])


def _lay_out(build: Build, stance: Stance) -> tuple[list[_Tube], dict[str, np.ndarray]]:
    # Before placement on the ground: the hips stay fixed, whatever the trunk does.
    half = build.length / 2
    hips = np.array([-half, 0, _BACK - build.rump])
    cos, sin = np.cos(stance.pitch), np.sin(stance.pitch)

    def trunk(x: float, y: float, z: float) -> np.ndarray:
        away = np.array([x, y, z]) - hips
        raised = cos * away[0] - sin * away[2], away[1], sin * away[0] + cos * away[2]
        return hips + np.array(raised)

    radii = np.array([build.rump * 0.55, build.rump, build.belly, build.chest, build.chest * 0.6])
    steps = np.array([-half - 0.7 * build.rump, -half, 0.0, half, half + 0.6 * build.chest])
    tops = np.array([_BACK - 0.1, _BACK, _BACK, _BACK, _BACK - 0.06])
    spine = [trunk(x, 0.0, top - r) for x, top, r in zip(steps, tops, radii, strict=True)]
    tubes = [_tube("trunk", spine, (radii * build.slim).tolist(), radii.tolist())]
    joints = {"root_of_tail": trunk(-half - 0.55 * build.rump, 0.0, _BACK - 0.1)}

    tubes += _neck_and_head(build, stance, trunk, joints)
    for number, leg in enumerate(LEGS):
        tubes += _leg(build, stance, number, leg, trunk, joints)

    out = np.pi - 0.95 + stance.tail
    tail = [joints["root_of_tail"]]
    for bend, share in ((0.0, 0.3), (-0.35, 0.35), (-0.5, 0.35)):
        # Backwards, drooping towards the end.
        pitch = np.pi - out + bend
        step = np.array([-np.cos(pitch) * np.cos(stance.wag), np.cos(pitch) * np.sin(stance.wag)])
        tail.append(tail[-1] + share * build.tail * np.array([*step, np.sin(pitch) - 0.55]))
    joints["tail_tip"] = tail[-1]
    thick = build.tail_thick
    tubes.append(_tube("tail", tail, [thick * 1.2, thick, thick * 0.9, thick * 0.5]))
    return tubes, joints


def _neck_and_head(build: Build, stance: Stance, trunk, joints: dict) -> list[_Tube]:
    half, chest = build.length / 2, build.chest
    base = trunk(half + 0.15 * chest, 0.0, _BACK - 0.55 * chest)
    rise = np.clip(build.neck_rise + stance.neck + 0.5 * stance.pitch, -1.2, 1.45)
    up = _direction(rise, stance.turn)
    skull = base + (build.neck + 0.5 * chest) * up
    joints["neck"] = trunk(half + 0.1 * chest, 0.0, _BACK - 0.1 * chest)
    hang = np.clip(-0.45 + 0.35 * rise + stance.nod, -1.3, 0.7)
    ahead = _direction(hang, 1.3 * stance.turn)
    left = np.cross(_UP, ahead)
    left /= np.linalg.norm(left)
    above = np.cross(ahead, left)
    r, length = build.skull, build.head
    neck_left = np.array([-np.sin(stance.turn), np.cos(stance.turn), 0.0])
    middle = (base + skull) / 2 - 0.03 * np.cross(up, neck_left)
    tubes = [
        _tube(
            "neck",
            [base - 0.35 * chest * up, base + 0.2 * chest * up, middle, skull],
            [0.6 * chest, 0.55 * chest, 0.8 * r, 0.75 * r],
            [0.75 * chest, 0.7 * chest, r, 0.85 * r],
            neck_left,
        ),
        _tube(
            "head",
            [
                skull - 0.6 * r * ahead,
                skull,
                skull + 0.45 * length * ahead - 0.1 * r * above,
                skull + length * ahead - 0.15 * r * above,
            ],
            [0.7 * r, 0.85 * r, (0.45 * r + 0.55 * build.muzzle), build.muzzle],
            [0.75 * r, r, (0.5 * r + 0.5 * build.muzzle), 0.9 * build.muzzle],
            left,
        ),
    ]
    joints["nose"] = skull + length * ahead - 0.15 * r * above
    spread = build.ear_spread
    for side, sign in (("left", 1.0), ("right", -1.0)):
        eye = skull + 0.3 * length * ahead + 0.62 * sign * r * left + 0.4 * r * above
        joints[f"{side}_eye"] = eye
        tubes.append(_tube("eye", [eye - 0.06 * r * ahead, eye + 0.06 * r * ahead], [0.17 * r] * 2))
        root = skull - 0.2 * r * ahead + 0.6 * sign * r * left + 0.65 * r * above
        out = (1 - spread) * above + spread * sign * left + 0.25 * sign * left - 0.1 * ahead
        out /= np.linalg.norm(out)
        tip = root + build.ear * out
        joints[f"{side}_ear"] = (root + tip) / 2
        wide = 0.35 * build.ear
        tubes.append(
            _tube(
                "ear",
                [root - 0.2 * build.ear * out, root + 0.4 * build.ear * out, tip],
                [0.8 * wide, wide, 0.25 * wide],
                [0.02, 0.025, 0.015],
                np.cross(out, ahead),
            )
        )
        if build.horns:
            foot = skull - 0.35 * r * ahead + 0.4 * sign * r * left + 0.75 * r * above
            bent = foot + build.horns * (0.45 * above + 0.4 * sign * left)
            end = bent + build.horns * (0.55 * above + 0.05 * sign * left + 0.2 * ahead)
            tubes.append(_tube("horn", [foot, bent, end], [0.035, 0.028, 0.012]))
    if build.mane:
        crest = np.cross(up, neck_left) * -1.0
        lifted = [place - crest * 0.85 * r for place in (base, middle, skull)]
        tubes.append(_tube("mane", lifted, [0.03] * 3, [build.mane] * 3, neck_left))
    return tubes


def _leg(build: Build, stance: Stance, number: int, leg: str, trunk, joints: dict) -> list[_Tube]:
    side, _, end = leg.partition("_")
    sign, front = (1.0 if side == "left" else -1.0), end == "front"
    girth = build.chest if front else build.rump
    apart = sign * (build.slim * girth * 0.62)
    x = build.length / 2 * (1 if front else -1)
    high = _BACK - 0.95 * girth
    root = trunk(x, apart, high)
    swing, lift = stance.swing[number], stance.lift[number]
    # Forward angles from straight down of thigh, shin and foot: the zigzag of animals that walk on
    # their toes.
    if front:
        angles = [-0.22 + swing + 0.45 * lift, 0.1 + swing - 0.15 * lift, swing - 1.5 * lift]
    elif stance.sits:
        angles = [1.25 + swing, -0.75 + swing, 1.5]
    else:
        angles = [0.38 + swing + 0.6 * lift, -0.5 + swing - 0.75 * lift, 0.12 + swing - 0.5 * lift]
    rest = [-0.22, 0.1, 0.0] if front else [0.38, -0.5, 0.12]
    path = [root]
    for angle, upright, share in zip(angles, rest, (0.4, 0.34, 0.26), strict=True):
        length = share * (high - build.paw) / np.cos(upright)
        path.append(path[-1] + length * np.array([np.sin(angle), 0, -np.cos(angle)]))
    upper, lower = ("shoulder", "elbow") if front else ("hip", "knee")
    joints[f"{side}_{upper}"], joints[f"{side}_{lower}"] = path[0], path[1]
    joints[f"{side}_{end}_paw"] = path[3]
    toe = np.array([np.cos(angles[2] * 0.5), 0, np.sin(angles[2] * 0.5)])
    thick = build.leg
    return [
        _tube(
            "leg",
            [path[0] + [0, 0, 0.5 * girth], path[0], path[1], path[2], path[3]],
            [1.0 * thick, 1.7 * thick, 1.05 * thick, 0.75 * thick, 0.72 * thick],
            [1.4 * thick, 2.3 * thick, 1.2 * thick, 0.8 * thick, 0.75 * thick],
        ),
        _tube(
            "paw",
            [path[3] - 0.5 * build.paw * toe, path[3] + 0.9 * build.paw * toe],
            [0.9 * build.paw, 0.75 * build.paw],
            [0.75 * build.paw, 0.5 * build.paw],
        ),
    ]


_ROUND = (0.0, 0.45, 0.8)  # relative widths of the rings of a rounded end, from its tip


def _mesh(tube: _Tube) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices (V, 3), triangles, and each vertex's position along the tube."""
    path, wide, high = _smooth(tube)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    along = np.concatenate([[0], np.cumsum(steps)]) / max(steps.sum(), 1e-9)
    ways = np.gradient(path, axis=0)
    ways /= np.linalg.norm(ways, axis=1, keepdims=True).clip(1e-9)
    # Round the ends by extra shrinking rings beyond the path.
    rings = []
    for n in (0, len(path) - 1):
        sign = -1 if n == 0 else 1
        cap = []
        for size in _ROUND:
            out = np.sqrt(1 - size**2) * min(wide[n], high[n])
            cap.append(
                (path[n] + sign * out * ways[n], ways[n], wide[n] * size, high[n] * size, along[n])
            )
        rings.append(cap)
    body = list(zip(path, ways, wide, high, along, strict=True))
    everything = [*rings[0], *body, *rings[1][::-1]]
    angles = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    vertices, shares = [], []
    for place, way, w, h, share in everything:
        side = tube.side - (tube.side @ way) * way
        norm = np.linalg.norm(side)
        side = side / norm if norm > 1e-6 else np.cross(way, [1.0, 0, 0])
        up = np.cross(way, side)
        ring = place + w * np.cos(angles)[:, None] * side + h * np.sin(angles)[:, None] * up
        vertices.append(ring)
        shares += [share] * _AROUND
    count = len(everything)
    here = np.arange(_AROUND)
    there = (here + 1) % _AROUND
    triangles = []
    for n in range(count - 1):
        a, b = n * _AROUND, (n + 1) * _AROUND
        triangles.append(np.stack([a + here, a + there, b + here], axis=1))
        triangles.append(np.stack([a + there, b + there, b + here], axis=1))
    return np.concatenate(vertices), np.concatenate(triangles), np.array(shares)


def _smooth(tube: _Tube, between: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolate path and radii with a Catmull-Rom spline."""
    known = np.column_stack([tube.path, tube.wide, tube.high])
    if len(known) == 2:
        return known[:, :3], known[:, 3], known[:, 4]
    padded = np.concatenate([2 * known[:1] - known[1:2], known, 2 * known[-1:] - known[-2:-1]])
    out = []
    for n in range(len(known) - 1):
        before, start, end, after = padded[n : n + 4]
        for t in np.arange(between) / between:
            slope, back = (end - before) / 2, (after - start) / 2
            cubic = 2 * start - 2 * end + slope + back
            square = -3 * start + 3 * end - 2 * slope - back
            out.append(((cubic * t + square) * t + slope) * t + start)
    out.append(known[-1])
    curve = np.array(out)
    return curve[:, :3], curve[:, 3].clip(0.005), curve[:, 4].clip(0.005)
