"""hair_sheets: hair, from short to a ponytail, and hats."""

import numpy as np

from deformgan.rendering.body import Body
from deformgan.rendering.identity import Identity
from deformgan.rendering.mesh import ellipsoid, grid_triangles
from deformgan.rendering.noise import value_noise
from deformgan.rendering.sheet import Landmarks, Sheet, rigid, rigid_sheet


def hair_keep(at: Landmarks, vertices: np.ndarray, low: float):
    """Return which vertices (N, 3) grow hair down to height `low`, in metres.

    The hairline descends from the forehead to the nape.
    """
    y, z = vertices[:, 1], vertices[:, 2]
    behind = y - at.eye[1]
    places = [0.0, 0.02, 0.045, 0.06, 0.08, 0.10, 0.14]  # forehead, temple, sideburn, ear, nape
    line = [0.056, 0.048, 0.012, -0.012, -0.018, -0.055 - low, -0.075 - low]
    ragged = 0.012 * (value_noise(vertices * 90, 5) - 0.5)
    return z - at.eye[2] - np.interp(behind, places, line) + ragged


def _curtain(at: Landmarks, body: Body, length: float, volume: float) -> Sheet:
    # Long hair hangs from the crown around the back and the sides of the head; the face is free.
    rows, columns = 16, 25
    fall = np.linspace(0, 1, rows)[:, None]
    angle = np.radians(np.linspace(-112, 112, columns))[None] * (1 - 0.12 * fall)
    bottom = at.eye[2] - length
    z = (at.eye[2] + 0.07) * (1 - fall) + bottom * fall + 0 * angle
    below = (at.eye[2] - 0.08 - z).clip(0)  # below the nape
    width = 0.074 + volume + 0.10 * below
    depth = 0.092 + volume + 0.07 * below
    middle = at.eye[1] + 0.105 + 0.10 * below
    vertices = np.stack(
        [np.sin(angle) * width, middle + np.cos(angle) * depth, z], axis=-1
    ).reshape(-1, 3)
    weights = rigid(body, len(vertices), "head")
    on_back = (below.reshape(-1) / 0.15).clip(0, 0.7)[:, None]
    weights = weights * (1 - on_back) + rigid(body, len(vertices), "spine01") * on_back
    triangles = grid_triangles(rows, columns, False)
    return Sheet("hair", vertices, weights, triangles, np.ones(len(vertices)))


def _ponytail(at: Landmarks, body: Body, length: float) -> Sheet:
    rows, columns = 12, 10
    fall = np.linspace(0, 1, rows)[:, None]
    around = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    radius = 0.034 * np.sin(np.pi * (0.12 + 0.85 * fall)) ** 0.6 + 0.002
    y = at.eye[1] + 0.185 + 0.05 * np.sin(np.pi * fall**0.6) * 0.8 + np.cos(around) * radius
    z = at.eye[2] + 0.055 - (length + 0.06) * fall + 0 * around
    vertices = np.stack([np.sin(around) * radius + 0 * fall, y, z], -1).reshape(-1, 3)
    triangles = grid_triangles(rows, columns, True)
    return rigid_sheet(body, "hair", "head", vertices, triangles)


def hair_sheets(at: Landmarks, person: Identity, skin: np.ndarray, out: np.ndarray):
    """Build the sheets of a person's hair and hat.

    Args:
        at: Landmarks of the body.
        person: Whose hair.
        skin: (N, 3) vertices of the body's skin, in metres.
        out: (N, 3) their normals.
    """
    body, hair = at.body, person.hair
    weights, triangles = body.model.weights, body.model.surfaces["body"]
    woman = hair.style != "short"
    keep = hair_keep(at, skin, 0.015 if woman else 0.0)
    on_top = ((skin[:, 2] - at.eye[2]) / 0.1).clip(0, 1)
    # Thin at the hairline, to avoid a step on the forehead.
    thickness = (0.004 + hair.volume * (0.35 + 0.65 * on_top)) * (keep / 0.025).clip(0.2, 1)
    sheets = [Sheet("hair", skin + out * thickness[:, None], weights, triangles, keep)]
    if hair.style == "long":
        sheets.append(_curtain(at, body, hair.length, hair.volume * 0.6))
    if hair.style == "ponytail":
        sheets.append(_ponytail(at, body, hair.length))
    if hair.style == "bun":
        center = np.array([0, at.eye[1] + 0.19, at.eye[2] + 0.07])
        ball, faces = ellipsoid(center, (0.04, 0.035, 0.04), 2.0, 8)
        sheets.append(rigid_sheet(body, "hair", "head", ball, faces))
    if hair.cap is not None:
        rim = skin[:, 2] - (at.eye[2] + 0.04)
        thickness = (0.014 + hair.volume * 0.6) * np.ones(len(skin))
        sheets.append(Sheet("cap", skin + out * thickness[:, None], weights, triangles, rim))
        brim, faces = ellipsoid(
            np.array([0, at.eye[1] - 0.035, at.eye[2] + 0.048]), (0.075, 0.075, 0.006), 2.2, 8
        )
        sheets.append(rigid_sheet(body, "cap", "head", brim, faces))
    return sheets
