"""Skeleton, Part, Pose: named joints, the body parts they carry, and where they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Region = Literal["image", "square", "limb", "hull"]


@dataclass(frozen=True)
class Part:
    """A piece of the object that moves rigidly enough for one affine transform.

    Attributes:
        name: The part's name.
        region: What its mask covers: the whole "image"; a "square" around the mean of the visible
            `joints`; the oriented rectangle of a "limb" from the first joint to the second; or the
            convex "hull" of the visible `joints` (ours: the face and the hand need it).
        joints: The joints that make the part present. For a limb exactly two, start and end.
        anchors: Joints that join the fit of the transform but do not make the part present.
        needs: How many of `joints` both poses must share before a transform is fitted.
        twin: The mirrored part whose source limb is used where this one's is not seen.
        mandatory: A pose without all joints of this part is unusable.
        extension: How far the limb rectangle reaches beyond the end joint, as a share of the limb
            that is already extended by a tenth at its start.
        fit_extension: The same for the rectangle that the reference fits its transform to. It
            changes no transform in exact arithmetic, because both ends scale alike.
        margin: How far a hull reaches beyond its joints on all sides, in units of the pose.
    """

    name: str
    region: Region
    joints: tuple[str, ...]
    anchors: tuple[str, ...] = ()
    needs: int = 1
    twin: str | None = None
    mandatory: bool = False
    extension: float = 0.1
    fit_extension: float = 0.1
    margin: float = 0.0

    def __post_init__(self):
        if self.region == "limb" and len(self.joints) != 2:
            raise ValueError(f"limb {self.name!r} has {len(self.joints)} joints, a limb has 2.")


@dataclass(frozen=True)
class Skeleton:
    """The joints of an object and the parts it is cut into; everything else reads it.

    Attributes:
        name: The skeleton's name.
        joints: Joint names in the order of every pose tensor.
        mirrored: Pairs of joints (right, left) that change places when an image is flipped.
        limbs: Pairs of joints between which a bone is drawn.
        parts: The parts of the deformable skip, torso first.
        unit: Pairs of joints whose root mean square distance is the pose's unit of length.
        limb_width: Full width of a limb rectangle in units.
        square_half: Half side of a "square" region in units.
        core: Joints of the one global transform of the ablation (those visible in both poses).
        upright: Whether the unit's segments stand up in nearly all pictures, as people's torsos do;
            a table where they lie then has its axes exchanged.
    """

    name: str
    joints: tuple[str, ...]
    mirrored: tuple[tuple[str, str], ...]
    limbs: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    unit: tuple[tuple[str, str], ...]
    core: tuple[str, ...]
    limb_width: float = 0.4
    square_half: float = 0.4
    upright: bool = False

    def index(self, joint: str) -> int:
        """Gives the position of a joint in pose tensors."""
        return self.joints.index(joint)

    def indices(self, joints: Sequence[str]) -> list[int]:
        """Gives the positions of several joints in pose tensors."""
        return [self.joints.index(joint) for joint in joints]

    def part_index(self, name: str) -> int:
        """Gives the position of a part among the parts."""
        return [part.name for part in self.parts].index(name)

    @property
    def mandatory_joints(self) -> list[int]:
        """Positions of the joints without which a pose is unusable."""
        names = [joint for part in self.parts if part.mandatory for joint in part.joints]
        return self.indices(names)

    @property
    def mirror_permutation(self) -> list[int]:
        """For every joint, the position of the joint that takes its place in a flipped image."""
        twins = dict(self.mirrored) | {left: right for right, left in self.mirrored}
        return self.indices([twins.get(joint, joint) for joint in self.joints])


@dataclass(frozen=True)
class Pose:
    """A batch of poses.

    Attributes:
        joints: (x, y) in pixels, (0, 0) at the centre of the image's top-left pixel. The value at
            a joint that is not visible carries no meaning, but it is finite.
        visible: Whether the joint was seen.
    """

    joints: Float[Tensor, "batch joints 2"]
    visible: Bool[Tensor, "batch joints"]

    def __len__(self) -> int:
        return self.joints.shape[0]

    def __getitem__(self, items: slice | list[int] | Tensor) -> "Pose":
        return Pose(self.joints[items], self.visible[items])

    def to(self, *args, **kwargs) -> "Pose":
        """Moves the pose to a device or changes the dtype of its coordinates, as `Tensor.to`."""
        joints = self.joints.to(*args, **kwargs)
        return Pose(joints, self.visible.to(joints.device))

    def usable(self, skeleton: Skeleton) -> Bool[Tensor, "batch"]:
        """Tells which poses have every mandatory joint."""
        return self.visible[:, skeleton.mandatory_joints].all(dim=1)

    def flip(self, width: int, skeleton: Skeleton) -> "Pose":
        """Mirrors the pose together with an image of that width: left joints become right ones."""
        permutation = skeleton.mirror_permutation
        joints = self.joints[:, permutation]
        mirrored = torch.stack([width - 1 - joints[..., 0], joints[..., 1]], dim=-1)
        return Pose(mirrored, self.visible[:, permutation])

    def carry_over(self) -> "Pose":
        """Fills every missing joint from the latest earlier frame in which it was seen.

        The batch is read as the frames of one animation. A joint not seen yet stays missing.

        Source:
            The authors' video demonstration.
        """
        frames = torch.arange(len(self), device=self.joints.device)[:, None]
        latest = frames.where(self.visible, -1).cummax(dim=0).values
        joints = self.joints.gather(0, latest.clamp(min=0)[..., None].expand_as(self.joints))
        return Pose(joints, latest >= 0)

    @staticmethod
    def cat(poses: Sequence["Pose"]) -> "Pose":
        """Joins batches of poses into one batch."""
        return Pose(
            torch.cat([pose.joints for pose in poses]), torch.cat([pose.visible for pose in poses])
        )
