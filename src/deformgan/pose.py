"""Skeleton, Part, Pose: named joints, the body parts they define, and their positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Region = Literal["image", "square", "limb", "hull"]


@dataclass(frozen=True)
class Part:
    """A piece of the object that moves rigidly enough to be modelled by one affine transform.

    Attributes:
        name: The part's name.
        region: Area of its mask: the whole "image"; a "square" around the mean of the visible
            `joints`; the oriented rectangle of a "limb" from the first joint to the second; or the
            convex "hull" of the visible `joints` (our addition, for the face and the hand).
        joints: Joints that define the part. A limb has exactly two, start and end.
        anchors: Extra joints used to fit the transform; they do not make the part present.
        needs: Number of `joints` that must be visible in both poses to fit a transform.
        twin: Mirrored part whose source limb is used if this part's is not visible.
        mandatory: Whether a pose without all joints of this part is unusable.
        extension: Extension of the limb rectangle beyond the end joint, as a share of the limb
            already extended by a tenth at its start.
        fit_extension: The same for the rectangle to which the reference fits its transform. In
            exact arithmetic it changes no transform, because both rectangles scale alike.
        margin: Margin of a hull around its joints, in units of the pose.
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
            raise ValueError(f"limb {self.name!r} has {len(self.joints)} joints, expected 2.")


@dataclass(frozen=True)
class Skeleton:
    """The joints of an object and the parts they define.

    Attributes:
        name: The skeleton's name.
        joints: Joint names in the order of every pose tensor.
        mirrored: Pairs of joints (right, left) that are swapped when an image is flipped.
        limbs: Pairs of joints to connect when drawing the pose.
        parts: Parts of the deformable skip, torso first.
        unit: Pairs of joints whose root mean square distance is the pose's unit of length.
        limb_width: Full width of a limb rectangle, in units.
        square_half: Half side of a "square" region, in units.
        core: Joints used to fit the ablation's single global transform, if visible in both poses.
        upright: Whether the unit segments are vertical in nearly all images, as people's torsos
            are; a table in which they are horizontal then has swapped axes.
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
        """Return the index of a joint in pose tensors."""
        return self.joints.index(joint)

    def indices(self, joints: Sequence[str]) -> list[int]:
        """Return the indices of several joints in pose tensors."""
        return [self.joints.index(joint) for joint in joints]

    def part_index(self, name: str) -> int:
        """Return the index of a part in `parts`."""
        return [part.name for part in self.parts].index(name)

    @property
    def mandatory_joints(self) -> list[int]:
        """Indices of the joints without which a pose is unusable."""
        names = [joint for part in self.parts if part.mandatory for joint in part.joints]
        return self.indices(names)

    @property
    def mirror_permutation(self) -> list[int]:
        """For every joint, the index of the joint that replaces it in a flipped image."""
        twins = dict(self.mirrored) | {left: right for right, left in self.mirrored}
        return self.indices([twins.get(joint, joint) for joint in self.joints])


@dataclass(frozen=True)
class Pose:
    """A batch of poses.

    Attributes:
        joints: (x, y) in pixels, (0, 0) at the centre of the image's top-left pixel. Coordinates
            of joints that are not visible are meaningless but finite.
        visible: Whether each joint is visible.
    """

    joints: Float[Tensor, "batch joints 2"]
    visible: Bool[Tensor, "batch joints"]

    def __len__(self) -> int:
        return self.joints.shape[0]

    def __getitem__(self, items: slice | list[int] | Tensor) -> "Pose":
        return Pose(self.joints[items], self.visible[items])

    def to(self, *args, **kwargs) -> "Pose":
        """Move the pose to a device or convert its coordinates' dtype, like `Tensor.to`."""
        joints = self.joints.to(*args, **kwargs)
        return Pose(joints, self.visible.to(joints.device))

    def usable(self, skeleton: Skeleton) -> Bool[Tensor, "batch"]:
        """Return which poses have every mandatory joint."""
        return self.visible[:, skeleton.mandatory_joints].all(dim=1)

    def flip(self, width: int, skeleton: Skeleton) -> "Pose":
        """Mirror the pose along with an image of that width, swapping left and right joints."""
        permutation = skeleton.mirror_permutation
        joints = self.joints[:, permutation]
        mirrored = torch.stack([width - 1 - joints[..., 0], joints[..., 1]], dim=-1)
        return Pose(mirrored, self.visible[:, permutation])

    def carry_over(self) -> "Pose":
        """Fill each missing joint from the latest earlier frame that shows it.

        The batch is treated as the frames of one animation. A joint not seen yet stays missing.

        Source:
            The authors' video demonstration.
        """
        frames = torch.arange(len(self), device=self.joints.device)[:, None]
        latest = frames.where(self.visible, -1).cummax(dim=0).values
        joints = self.joints.gather(0, latest.clamp(min=0)[..., None].expand_as(self.joints))
        return Pose(joints, latest >= 0)

    @staticmethod
    def cat(poses: Sequence["Pose"]) -> "Pose":
        """Concatenate batches of poses."""
        return Pose(
            torch.cat([pose.joints for pose in poses]), torch.cat([pose.visible for pose in poses])
        )
