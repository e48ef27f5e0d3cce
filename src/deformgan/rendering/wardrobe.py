"""dress: combine a body and its clothes into one mesh at rest."""

from dataclasses import dataclass

import numpy as np

from deformgan.rendering.body import Body, skin
from deformgan.rendering.hair import hair_sheets
from deformgan.rendering.identity import Identity
from deformgan.rendering.mesh import ellipsoid, normals, smooth_cloth
from deformgan.rendering.sheet import Landmarks, Sheet, rigid_sheet

LAYERS = (
    "skin",
    "bottom",
    "top",
    "skirt",
    "shoes",
    "hair",
    "cap",
    "backpack",
    "bag",
    "phone",
    "luggage",
)

_WAIST = 0.09  # metres above the hip joints, top of skirts
_APART = 0.15  # metres by which each leg is moved outwards in `Dressed.apart`
_LEG_BONES = ("upperleg", "lowerleg", "foot", "toe")
_TUCK = 0.05  # metres of skin kept under the edge of a garment


@dataclass(frozen=True)
class Dressed:
    """A dressed person at rest, ready for posing and rendering.

    Attributes:
        body: The body underneath.
        vertices: (N, 3) in metres, rest frame.
        weights: (N, bones) for `body.skin`.
        triangles: (M, 3).
        layer: (M,) index in `LAYERS` of each triangle.
        keep: (N,) signed distance inside the layer's outline, in metres approximately; cut off
            where not positive.
        along_arm: (N,) 0 shoulder, 1 elbow, 2 wrist; negative on the trunk.
        along_leg: (N,) 0 hip, 1 knee, 2 ankle.
        arm: (N,) sum of the arm bones' weights, in [0, 1].
        hangs: (N,) whether the vertex hangs vertically from `grip`, however the hand is rotated.
        grip: (3,) the right hand's grip at rest.
    """

    body: Body
    vertices: np.ndarray
    weights: np.ndarray
    triangles: np.ndarray
    layer: np.ndarray
    keep: np.ndarray
    along_arm: np.ndarray
    along_leg: np.ndarray
    arm: np.ndarray
    hangs: np.ndarray
    grip: np.ndarray

    def move(self, motions: np.ndarray) -> np.ndarray:
        """Return the vertices, (N, 3), moved with the bones; `motions` from `Body.move`."""
        world = skin(self.vertices, self.weights, motions)
        if self.hangs.any():
            model = self.body.model
            hand, root = (motions[model.bone(name)] for name in ("finger3-2.R", "root"))
            hanging = self.vertices[self.hangs] - self.grip
            world[self.hangs] = hanging @ root[:, :3].T + hand[:, :3] @ self.grip + hand[:, 3]
        return world

    def apart(self) -> np.ndarray:
        """Return the vertices at rest (N, 3) with the legs moved apart, in metres.

        Thighs nearly touch at rest; moved apart, no position on one leg is near the other, so that
        positions distinguish left from right.
        """
        side = np.zeros(len(self.vertices))
        for name, sign in ((".L", 1.0), (".R", -1.0)):
            bones = [
                number
                for number, bone in enumerate(self.body.model.bones)
                if bone.endswith(name) and bone.startswith(_LEG_BONES)
            ]
            side += sign * self.weights[:, bones].sum(axis=1)
        return self.vertices + _APART * side[:, None] * np.array([1.0, 0.0, 0.0])


def _top_keep(at: Landmarks, person: Identity, vertices: np.ndarray, arm: np.ndarray):
    top = person.top
    x, y, z = vertices.T
    # With a skirt the top is tucked in.
    low = at.hip[2] + (_WAIST - 0.03 if person.bottom.skirt else -top.hem)
    hem = z - low + 3 * arm
    # The arms are slanted at rest, so this alone would also cut the trunk below a short sleeve.
    sleeve = (top.sleeve - at.along_arm(vertices)) * at.upper_arm + 2 * (0.45 - arm).clip(0)
    # The collar is a slanted plane, lower in front, raised at the shoulders so as not to cut them.
    front = ((at.neck[1] - y) / 0.08).clip(-1, 1)
    cut = top.neckline * front.clip(0) * (1 - np.abs(x) / 0.11).clip(0)
    collar = at.neck[2] + 0.02 - 0.035 * front - cut - z + 2.5 * (np.abs(x) - 0.085).clip(0)
    return np.minimum(np.minimum(hem, sleeve), collar)


def _bottom_keep(at: Landmarks, person: Identity, vertices: np.ndarray, arm: np.ndarray):
    end = (person.bottom.length - at.along_leg(vertices)) * at.thigh
    waist = at.hip[2] + 0.15 - vertices[:, 2]
    return np.minimum(np.minimum(end, waist), 0.5 - arm)


def _shoe_keep(at: Landmarks, person: Identity, vertices: np.ndarray):
    # Flat shoes dip towards the toes: their rim is a plane that descends from the heel forwards.
    forward = (at.ankle[1] - vertices[:, 1]).clip(0)
    dip = 0.10 if person.shoe_height < 0 else 0.0
    return at.ankle[2] + person.shoe_height - dip * forward - vertices[:, 2]


# Half sizes in metres, exponent of the corners' squareness, distance below the hand in metres, and
# taper towards the top.
_LUGGAGE = {
    "handbag": ((0.05, 0.14, 0.10), 6.0, 0.10, 0.25),
    "plastic": ((0.05, 0.11, 0.14), 4.0, 0.07, 0.45),
    "case": ((0.045, 0.19, 0.14), 9.0, 0.03, 0.0),
}


def _grip(body: Body) -> np.ndarray:
    # Where the right hand holds a handle, at rest.
    return (body.head("finger3-1.R") + body.head("finger3-3.R")) / 2


def _prop_sheets(at: Landmarks, person: Identity, holds_phone: bool):
    body, sheets = at.body, []

    def add(layer: str, bone: str, center, half, power: float):
        vertices, faces = ellipsoid(np.array(center), half, power)
        sheets.append(rigid_sheet(body, layer, bone, vertices, faces))

    if person.backpack is not None:
        z = (at.neck[2] + at.hip[2]) / 2 + 0.09
        add("backpack", "spine02", (0, at.neck[1] + 0.19, z), (0.145, 0.085, 0.215), 3.5)
    if person.bag is not None:
        add(
            "bag",
            "root",
            (-at.hip[0] - 0.11, at.hip[1], at.hip[2] - 0.03),
            (0.045, 0.13, 0.10),
            4.0,
        )
    if person.luggage is not None:
        half, power, strap, taper = _LUGGAGE[person.luggage]
        center = _grip(body) - [0, 0, half[2] + strap]
        bag, faces = ellipsoid(center, half, power)
        height = (bag[:, 2:] - center[2]) / half[2] * 0.5 + 0.5
        bag[:, :2] = center[:2] + (bag[:, :2] - center[:2]) * (1 - taper * height)
        sheets.append(rigid_sheet(body, "luggage", "root", bag, faces))
        for side in (-1, 1):  # the handles
            middle = center + np.array([0, side * 0.25 * half[1], half[2] + strap / 2])
            bar, faces = ellipsoid(middle, (0.007, 0.012, strap / 2 + 0.03), 4.0, 6)
            sheets.append(rigid_sheet(body, "luggage", "root", bar, faces))
    if holds_phone:
        wrist, elbow = at.wrist * [-1, 1, 1], at.elbow * [-1, 1, 1]
        along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        add("phone", "wrist.R", wrist + along * 0.11, (0.02, 0.035, 0.06), 5.0)
    return sheets


def dress(body: Body, person: Identity, holds_phone: bool = False) -> Dressed:
    """Add clothes, hair and luggage to a body.

    Args:
        body: The shaped body of `person.build`.
        person: Their appearance.
        holds_phone: Whether there is a phone in the right hand.
    """
    model, at = body.model, Landmarks(body)
    tights, covered = model.surfaces["tights"], body.vertices
    arm = at.arm(model.weights)
    used = np.zeros(len(covered), dtype=bool)
    used[tights] = True
    fitted = smooth_cloth(covered, tights, 8)
    # Two passes: the second one starts from cloth that already spans every hollow.
    loose = smooth_cloth(covered, tights, 24)
    loose = smooth_cloth(loose, tights, 30 if person.top.loose > 0.008 else 10)
    outward = normals(fitted, tights)

    # The cloth is looser towards its hem.
    to_hem = ((at.neck[2] - 0.1 - covered[:, 2]) / (at.neck[2] - at.hip[2])).clip(0, 1)
    down_arm = at.along_arm(covered).clip(0, 2) / max(person.top.sleeve, 0.5)
    hangs = 0.2 if person.bottom.skirt else 1.0
    slack = np.where(arm > 0.5, down_arm.clip(0, 1) * 0.7, hangs * to_hem**1.3) * person.top.loose
    top = loose + outward * (0.008 + 0.006 * to_hem + slack)[:, None]
    top = _hanging_back(at, top, arm)
    # Cut outlines on the cloth itself, where a plane yields a straight hem.
    top_keep = _top_keep(at, person, top, arm)
    down_leg = (at.along_leg(covered).clip(0, 2) / person.bottom.length).clip(0, 1)
    slack = down_leg * person.bottom.loose
    bottom = fitted + outward * (0.004 + slack)[:, None]
    bottom_keep = _bottom_keep(at, person, bottom, arm)
    shoe_keep = _shoe_keep(at, person, covered)
    shoe = smooth_cloth(covered, tights, 6) + outward * 0.009
    shoe[:, 2] = np.maximum(shoe[:, 2], covered[used, 2].min() - 0.012)

    sheets = [
        Sheet("top", top, model.weights, tights, top_keep),
        Sheet("shoes", shoe, model.weights, tights, shoe_keep),
    ]
    if person.bottom.skirt:
        skirt = model.surfaces["skirt"]
        flare = 0.008 + 0.035 * at.along_leg(covered).clip(0, 2)
        cloth = covered + normals(covered, skirt) * flare[:, None]
        end = (person.bottom.length - at.along_leg(cloth)) * at.thigh
        end = np.minimum(end, at.hip[2] + _WAIST - cloth[:, 2])
        sheets.append(Sheet("skirt", cloth, _shared_legs(body), skirt, end))
        hidden = (person.bottom.length - at.along_leg(covered)) * at.thigh
        hidden = np.minimum(hidden, at.hip[2] + 0.1 - covered[:, 2]) - 0.5 * arm
        hidden += 0.02  # hide a knee that reaches through the cloth
    else:
        sheets.append(Sheet("bottom", bottom, model.weights, tights, bottom_keep))
        hidden = _bottom_keep(at, person, covered, arm)
    under_top = _top_keep(at, person, covered, arm)
    covers = np.maximum(np.maximum(under_top, hidden), shoe_keep + 0.03)
    bare = _TUCK - covers
    out = normals(covered, model.surfaces["body"])
    sheets.append(Sheet("skin", covered, model.weights, model.surfaces["body"], bare))
    sheets += hair_sheets(at, person, covered, out)
    sheets += _prop_sheets(at, person, holds_phone)
    return _join(at, sheets)


def _hanging_back(at: Landmarks, cloth: np.ndarray, arm: np.ndarray) -> np.ndarray:
    # Over the seat, a shirt spans from side to side and hangs from its rearmost point.
    x, y, z = cloth.T
    seat = (arm < 0.2) & (z < at.hip[2] + 0.24) & (z > at.hip[2] - 0.2) & (y > at.hip[1])
    seat &= np.abs(x) < 0.16
    rows = np.rint((at.hip[2] + 0.24 - z[seat]) / 0.02).astype(int)
    furthest = np.full(rows.max() + 1, y[seat].min())
    np.maximum.at(furthest, rows, y[seat])
    hangs = np.maximum(furthest, 0.85 * np.maximum.accumulate(furthest) + 0.15 * furthest)
    share = (1 - (np.abs(x[seat]) / 0.16) ** 2) * ((at.hip[2] + 0.24 - z[seat]) / 0.12).clip(0, 1)
    hung = cloth.copy()
    hung[seat, 1] += (
        0.9
        * share
        * (np.interp(at.hip[2] + 0.24 - z[seat], 0.02 * np.arange(len(hangs)), hangs) - y[seat])
    )
    return hung


def _shared_legs(body: Body) -> np.ndarray:
    # Between the legs a skirt follows both, so that a step does not tear it.
    weights = body.model.weights.copy()
    side = (body.vertices[:, 0] / 0.16).clip(-1, 1) * 0.5 + 0.5  # 0 right, 1 left
    legs = ("upperleg01", "upperleg02", "lowerleg01", "lowerleg02")
    total = sum(weights[:, body.model.bone(f"{leg}.{s}")] for leg in legs for s in "LR")
    for leg in legs:
        weights[:, body.model.bone(f"{leg}.L")] = 0
        weights[:, body.model.bone(f"{leg}.R")] = 0
    # The thighs move the skirt; the shins do not.
    weights[:, body.model.bone("upperleg01.L")] = total * side * 0.75
    weights[:, body.model.bone("upperleg01.R")] = total * (1 - side) * 0.75
    weights[:, body.model.bone("root")] += total * 0.25
    return weights


def _join(at: Landmarks, sheets: list[Sheet]) -> Dressed:
    vertices, weights, triangles, layers, keep = [], [], [], [], []
    count = 0
    for sheet in sheets:
        # Keep only what can be visible: triangles with a corner inside the outline.
        seen = sheet.triangles[(sheet.keep[sheet.triangles] > 0).any(axis=1)]
        if len(seen) == 0:
            continue
        used, renumbered = np.unique(seen, return_inverse=True)
        vertices.append(sheet.vertices[used])
        weights.append(sheet.weights[used])
        keep.append(sheet.keep[used])
        triangles.append(renumbered.reshape(-1, 3) + count)
        layers.append(np.full(len(seen), LAYERS.index(sheet.layer)))
        count += len(used)
    points, carried = np.concatenate(vertices), np.concatenate(weights)
    layer, faces = np.concatenate(layers), np.concatenate(triangles)
    hangs = np.zeros(len(points), dtype=bool)
    hangs[faces[layer == LAYERS.index("luggage")]] = True
    return Dressed(
        body=at.body,
        vertices=points,
        weights=carried,
        triangles=faces,
        layer=layer,
        keep=np.concatenate(keep),
        along_arm=at.along_arm(points),
        along_leg=at.along_leg(points),
        arm=at.arm(carried),
        hangs=hangs,
        grip=_grip(at.body),
    )
