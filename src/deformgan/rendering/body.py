"""BodyModel, Body: unclothed people of any build, and their skeletons.

The body is Anny's (Apache-2.0 code, CC0 MakeHuman data, the extra `synth`). Besides the skin, the
MakeHuman mesh contains helper surfaces, among them tights and a skirt, that follow every build;
`wardrobe` turns them into clothes.

World and rest frame, everywhere in `rendering`: metres, x to the left of a person at rest, y
backwards (a person at rest looks along -y), z up.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

# Anny's regressor of 17 COCO joints in the order of OpenPose's 18; the neck, which COCO lacks, is
# the mean of the shoulders.
_COCO_OF_OPENPOSE = (
    "nose",
    None,
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
)
_RIGHT_SHOULDER, _LEFT_SHOULDER, _NECK = 2, 5, 1

SURFACES = ("body", "tights", "skirt")


@dataclass(frozen=True, eq=False)
class BodyModel:
    """Data shared by all bodies.

    Attributes:
        anny: The model that converts a build to vertices.
        bones: Bone names, parents first.
        parents: Index of every bone's parent, -1 for the root.
        weights: (vertices, bones) skinning weights; rows sum to 1.
        surfaces: Triangles (N, 3) of each of `SURFACES`.
        joint_weights: (18, vertices) regression of the joints of `openpose18`.
        mouth: Vertices whose mean is the centre of the mouth.
    """

    anny: Any
    bones: tuple[str, ...]
    parents: tuple[int, ...]
    weights: np.ndarray
    surfaces: dict[str, np.ndarray]
    joint_weights: np.ndarray
    mouth: np.ndarray

    def bone(self, name: str) -> int:
        """Return the index of a bone."""
        return self.bones.index(name)

    def shape(self, build: dict[str, float]) -> "Body":
        """Build a body at rest, with arms and legs spread.

        Args:
            build: Anny's phenotype, each in [0, 1]: gender (1 is female), age (2/3 is about 25
                years), muscle, weight, height, proportions, cupsize, firmness, african, asian,
                caucasian.
        """
        import torch

        with torch.no_grad():
            _, phenotype, local, facial = self.anny.get_tensor_inputs(None, build, None, None)
            coefficients = self.anny._get_phenotype_blendshape_coefficients(
                phenotype, local, facial
            )
            rest = self.anny.get_rest_model(coefficients)
        vertices = rest["rest_vertices"][0].double().numpy()
        heads = rest["rest_bone_heads"][0].double().numpy()
        return Body(self, vertices, heads)


@dataclass(frozen=True, eq=False)
class Body:
    """One person's body at rest.

    Attributes:
        model: Data shared by all bodies.
        vertices: (vertices, 3) in metres, rest frame.
        heads: (bones, 3) position of each bone's head.
    """

    model: BodyModel
    vertices: np.ndarray
    heads: np.ndarray

    def head(self, bone: str) -> np.ndarray:
        """Return the position of a bone's head."""
        return self.heads[self.model.bone(bone)]

    def move(self, rotations: np.ndarray) -> np.ndarray:
        """Compute the rigid motion of every bone.

        Args:
            rotations: (bones, 3, 3) orientation of every bone in the world; identity is rest.

        Returns:
            (bones, 3, 4) rigid motions that keep the root's origin fixed.
        """
        places = np.empty_like(self.heads)
        for bone, parent in enumerate(self.model.parents):
            places[bone] = (
                self.heads[bone]
                if parent < 0
                else places[parent] + rotations[parent] @ (self.heads[bone] - self.heads[parent])
            )
        shift = places - np.einsum("bij,bj->bi", rotations, self.heads)
        return np.concatenate([rotations, shift[:, :, None]], axis=2)

    def joints(self, motions: np.ndarray) -> np.ndarray:
        """Compute the 18 joints of `openpose18`, (18, 3), after a motion."""
        joints = self.model.joint_weights @ skin(self.vertices, self.model.weights, motions)
        joints[_NECK] = (joints[_RIGHT_SHOULDER] + joints[_LEFT_SHOULDER]) / 2
        return joints


def skin(vertices: np.ndarray, weights: np.ndarray, motions: np.ndarray) -> np.ndarray:
    """Move vertices with their bones (linear blend skinning).

    Args:
        vertices: (N, 3) at rest.
        weights: (N, bones), rows sum to 1.
        motions: (bones, 3, 4) from `Body.move`.
    """
    blended = (weights @ motions.reshape(len(motions), 12)).reshape(-1, 3, 4)
    return np.einsum("nij,nj->ni", blended[:, :, :3], vertices) + blended[:, :, 3]


def _triangles(quads: np.ndarray) -> np.ndarray:
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


@cache
def load_body_model() -> BodyModel:
    """Load Anny once per process.

    The first load on a machine takes two to three minutes and caches 0.8 GB in `~/.cache/anny` (or
    `ANNY_CACHE_DIR`); later ones take ten seconds.
    """
    from anny import Anny, KeypointsRegressor
    from anny.models.model_data import TopologyConfig
    from anny.paths import get_anny_root_dir
    from anny.utils.obj_utils import load_obj_file

    # Anny keeps the helper vertices but not their faces, so those are read from its file.
    topology = TopologyConfig(
        base_mesh="makehuman", remove_unattached_vertices=False, nudity_edits=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anny = Anny(
            rig="anny",
            topology=topology,
            phenotypes="all",
            skinning_method="lbs",
            phenotype_blendshapes="original",
        )
        regressor = KeypointsRegressor.coco(anny)
        obj = get_anny_root_dir() / "data" / "mpfb2" / "3dobjs" / "base.obj"
        groups = load_obj_file(obj)[2]

    def faces(group: str) -> np.ndarray:
        return np.asarray(groups[group]["face_vertex_indices"])

    weights = np.zeros((len(anny.template_vertices), len(anny.bone_labels)))
    np.add.at(
        weights,
        (np.arange(len(weights))[:, None], anny.vertex_bone_indices.numpy()),
        anny.vertex_bone_weights.double().numpy(),
    )
    coco = dict(zip(regressor.labels, regressor.regression_weights.double().numpy(), strict=True))
    unused = np.zeros(len(weights))
    return BodyModel(
        anny=anny,
        bones=tuple(anny.bone_labels),
        parents=tuple(anny.bone_parents),
        weights=weights / weights.sum(axis=1, keepdims=True).clip(1e-9),
        surfaces={
            "body": _triangles(faces("body")),
            "tights": _triangles(faces("helper-tights")),
            "skirt": _triangles(faces("helper-skirt")),
        },
        joint_weights=np.stack([unused if n is None else coco[n] for n in _COCO_OF_OPENPOSE]),
        mouth=np.unique(faces("joint-mouth")),
    )
