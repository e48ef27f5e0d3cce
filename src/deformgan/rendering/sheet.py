"""Sheet, Landmarks: pieces of clothing, and where on the body they begin and end."""

from dataclasses import dataclass

import numpy as np

from deformgan.rendering.body import Body


@dataclass(frozen=True)
class Sheet:
    """One layer of clothing or hair before it is joined with the others.

    Attributes:
        layer: Name in `LAYERS`.
        vertices: (N, 3) in metres, at rest.
        weights: (N, bones) skinning weights.
        triangles: (M, 3) indices of vertices.
        keep: (N,) whether a vertex belongs to the layer.
    """

    layer: str
    vertices: np.ndarray
    weights: np.ndarray
    triangles: np.ndarray
    keep: np.ndarray


class Landmarks:
    """Reference points of the body's regions, in metres, at rest."""

    def __init__(self, body: Body):
        self.body = body
        self.shoulder, self.elbow, self.wrist = (
            body.head(bone) for bone in ("upperarm01.L", "lowerarm01.L", "wrist.L")
        )
        self.hip, self.knee, self.ankle = (
            body.head(bone) for bone in ("upperleg01.L", "lowerleg01.L", "foot.L")
        )
        self.neck = body.head("neck01")
        self.eye = body.head("eye.L")
        self.upper_arm = float(np.linalg.norm(self.elbow - self.shoulder))
        self.thigh = float(self.hip[2] - self.knee[2])
        arms = [n for n, bone in enumerate(body.model.bones) if _is_arm(bone)]
        self.arm_bones = np.array(arms)

    def along_arm(self, vertices: np.ndarray) -> np.ndarray:
        """Return how far along the arm vertices are: 0 shoulder, 1 elbow, 2 wrist."""
        mirrored = vertices * np.where(vertices[:, :1] < 0, [-1.0, 1, 1], [1.0, 1, 1])
        upper, lower = self.elbow - self.shoulder, self.wrist - self.elbow
        t = (mirrored - self.shoulder) @ upper / (upper @ upper)
        beyond = (mirrored - self.elbow) @ lower / (lower @ lower)
        return np.where(t > 1, 1 + beyond.clip(0), t)

    def along_leg(self, vertices: np.ndarray) -> np.ndarray:
        """Return how far along the leg vertices are: 0 hip, 1 knee, 2 ankle."""
        z = vertices[:, 2]
        t = (self.hip[2] - z) / (self.hip[2] - self.knee[2])
        beyond = (self.knee[2] - z) / (self.knee[2] - self.ankle[2])
        return np.where(t > 1, 1 + beyond, t)

    def arm(self, weights: np.ndarray) -> np.ndarray:
        """Return the share of each vertex' weights (N, bones) that moves with the arms."""
        return weights[:, self.arm_bones].sum(axis=1)


def _is_arm(bone: str) -> bool:
    return bone.startswith(("upperarm", "lowerarm", "wrist", "finger", "metacarpal"))


def rigid(body: Body, count: int, bone: str) -> np.ndarray:
    """Return skinning weights (count, bones) that follow one bone alone."""
    weights = np.zeros((count, len(body.model.bones)))
    weights[:, body.model.bone(bone)] = 1
    return weights


def rigid_sheet(
    body: Body, layer: str, bone: str, vertices: np.ndarray, triangles: np.ndarray
) -> Sheet:
    """Build a sheet that follows one bone and is kept whole."""
    weights = rigid(body, len(vertices), bone)
    return Sheet(layer, vertices, weights, triangles, np.ones(len(vertices)))
