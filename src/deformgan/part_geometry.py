"""PoseGeometry: transforms, masks and distances of all parts at once, in fixed shapes.

The definitions are in `affine`, `parts` and `part_field`, which go part by part and level by level:
those are three times as many operations, each of which is a call (on a GPU, a dispatch). Masks are
computed by the same operations in the same order, so that rounding does not move their edges.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deformgan.affine import fit_affine
from deformgan.part_field import own_places, part_distances
from deformgan.parts import hull_mask, limb_corners, pixel_centres, square_mask, unit_length
from deformgan.pose import Part, Pose, Skeleton

_FAR = 1e9  # pixels


@dataclass(frozen=True)
class Limbs:
    """The limbs of a pose.

    Attributes:
        starts: First joints.
        ends: Second joints.
        corners: Corners of the rectangles, zero where a joint is missing.
        seen: Whether both joints are visible.
        unit: Unit length of the pose.
    """

    starts: Float[Tensor, "batch limbs 2"]
    ends: Float[Tensor, "batch limbs 2"]
    corners: Float[Tensor, "batch limbs 4 2"]
    seen: Bool[Tensor, "batch limbs"]
    unit: Float[Tensor, "batch"]


class PoseGeometry:
    """What the poses of a skeleton determine.

    Args:
        skeleton: Defines the parts.
        size: Height and width of the images.
    """

    def __init__(self, skeleton: Skeleton, size: tuple[int, int]):
        self.skeleton, self.size = skeleton, size
        limbs = [part for part in skeleton.parts if part.region == "limb"]
        self._others = [part for part in skeleton.parts if part.region != "limb"]
        names = [part.name for part in (*limbs, *self._others)]
        # From limbs first and others after them to the skeleton's order.
        self._order = _indices([names.index(part.name) for part in skeleton.parts])
        self._starts = _indices(skeleton.indices([limb.joints[0] for limb in limbs]))
        self._ends = _indices(skeleton.indices([limb.joints[1] for limb in limbs]))
        self._twins = _indices([names.index(limb.twin or limb.name) for limb in limbs])
        self._extensions = torch.tensor([limb.extension for limb in limbs])

    def limbs(self, pose: Pose) -> Limbs:
        """Compute the rectangles of the limbs; see `part_corners`."""
        first, last = (own.to(pose.joints.device) for own in (self._starts, self._ends))
        starts, ends = (pose.joints.index_select(1, own) for own in (first, last))
        seen = pose.visible.index_select(1, first) & pose.visible.index_select(1, last)
        unit = unit_length(pose, self.skeleton)
        corners = limb_corners(
            starts,
            ends,
            (unit * (self.skeleton.limb_width / 2))[:, None].expand_as(seen),
            self._extensions.to(starts).expand_as(seen),
        )
        corners = torch.where(seen[..., None, None], corners, 0.0)
        return Limbs(starts, ends, corners, seen, unit)

    def transforms(
        self, source_pose: Pose, target_pose: Pose, source: Limbs, target: Limbs
    ) -> tuple[Float[Tensor, "batch parts 2 3"], Bool[Tensor, "batch parts"]]:
        """Fit one transform per part, all in one fit; see `part_transforms`.

        Args:
            source_pose: In pixels of the source image.
            target_pose: In pixels of the target image.
            source: Limbs of the source pose.
            target: Limbs of the target pose.
        """
        own, twins = source.seen, self._twins.to(source.seen.device)
        corners = torch.where(
            own[..., None, None], source.corners, source.corners.index_select(1, twins)
        )
        used = target.seen & (own | source.seen.index_select(1, twins))
        # All parts get as many points as the part with most: unused copies of the first one.
        places = [self.skeleton.indices(part.joints + part.anchors) for part in self._others]
        count = max(4, *(len(own) for own in places))
        numbers = torch.arange(count, device=own.device)
        used = [used[..., None] & (numbers < 4)]
        four = _indices([0, 1, 2, 3] + [0] * (count - 4)).to(own.device)
        sources, targets = [corners.index_select(2, four)], [target.corners.index_select(2, four)]
        common = source_pose.visible & target_pose.visible
        for part, own in zip(self._others, places, strict=True):
            points = _indices(own + own[:1] * (count - len(own))).to(common.device)
            seen = common.index_select(1, points)
            enough = seen[:, : len(part.joints)].sum(dim=1) >= part.needs
            if part.anchors:
                enough = enough & seen[:, len(part.joints) : len(own)].all(dim=1)
            seen = seen & enough[:, None] & (numbers < len(own))
            used.append(seen[:, None])
            sources.append(source_pose.joints.index_select(1, points)[:, None])
            targets.append(target_pose.joints.index_select(1, points)[:, None])
        together = [torch.cat(sets, dim=1) for sets in (sources, targets, used)]
        transforms, found = fit_affine(together[0], together[1], together[2])
        order = self._order.to(found.device)
        return transforms.index_select(1, order), found.index_select(1, order)

    def masks(
        self, pose: Pose, limbs: Limbs, strides: Sequence[int]
    ) -> list[Bool[Tensor, "batch parts _ _"]]:
        """Draw the masks of all parts at several resolutions; see `part_masks`.

        Args:
            pose: In pixels of the full image.
            limbs: Its limbs.
            strides: Width of a mask pixel in image pixels, for each resolution.
        """
        x, y = (
            [pixel_centres(length, stride, pose.joints) for stride in strides]
            for length in (self.size[1], self.size[0])
        )
        order = self._order.to(limbs.seen.device)
        lower, upper = _spans(limbs.corners, torch.cat(x))
        places = [len(columns) for columns in x]
        masks = []
        for stride, columns, rows, low, high in zip(
            strides, x, y, lower.split(places, 2), upper.split(places, 2), strict=True
        ):
            inside = (rows[:, None] >= low[:, :, None]) & (rows[:, None] < high[:, :, None])
            others = [
                self._mask(part, pose, limbs.unit, stride, columns, rows) for part in self._others
            ]
            together = torch.cat([inside, torch.stack(others, dim=1)], dim=1)
            masks.append(together.index_select(1, order))
        return masks

    def _mask(
        self, part: Part, pose: Pose, unit: Tensor, stride: int, columns: Tensor, rows: Tensor
    ) -> Bool[Tensor, "batch height width"]:
        own = _indices(self.skeleton.indices(part.joints)).to(pose.joints.device)
        seen = pose.visible.index_select(1, own)
        enough = (seen.sum(dim=1) >= part.needs)[:, None, None]
        if part.region == "image":
            return enough.expand(-1, len(rows), len(columns))
        points = pose.joints.index_select(1, own) * seen[..., None]
        if part.region == "hull":
            return hull_mask(points, seen, unit * part.margin, columns, rows) & enough
        centre = points.sum(dim=1) / seen.sum(dim=1, keepdim=True).clamp(min=1)
        half = unit * self.skeleton.square_half
        return square_mask(centre, half, self.size, stride) & enough

    def distances(self, pose: Pose, limbs: Limbs) -> Float[Tensor, "batch parts height width"]:
        """Compute the distance of every pixel to every part; see `part_distances`.

        Args:
            pose: In pixels.
            limbs: Its limbs.
        """
        height, width = self.size
        far = float(height + width)
        start, along = limbs.starts[..., None, None], (limbs.ends - limbs.starts)[..., None, None]
        (run, rise), length = along.unbind(dim=2), along.square().sum(dim=2).clamp(min=1e-6)
        x, y = own_places((height, width), start)
        across, down = (
            x[:1] - start[:, :, 0],
            y[:, :1] - start[:, :, 1],
        )  # (B, L, 1, W), (B, L, H, 1)
        share = ((across * run + down * rise) / length).clamp(0, 1)
        away = ((across - share * run).square() + (down - share * rise).square()).sqrt()
        half = limbs.unit[:, None, None, None] * (self.skeleton.limb_width / 4)
        away = (away - half).clamp(min=0).where(limbs.seen[..., None, None], far)
        others = replace(self.skeleton, parts=tuple(self._others))
        away = torch.cat([away, part_distances(pose, others, self.size)], dim=1)
        return away.index_select(1, self._order.to(away.device))

    def field(
        self,
        distances: Float[Tensor, "batch parts height width"],
        transforms: Float[Tensor, "batch parts 2 3"],
        found: Bool[Tensor, "batch parts"],
        width: Float[Tensor, "batch"],
    ) -> Float[Tensor, "batch 2 height width"]:
        """Blend the transforms; see `part_field`.

        Args:
            distances: See `distances`.
            transforms: See `transforms`.
            found: See `transforms`.
            width: Width of the transition between parts, in pixels.
        """
        lacking = (~found & found.any(dim=1, keepdim=True))[:, :, None, None]
        near = torch.where(lacking, -_FAR, -distances / width[:, None, None, None])
        # By hand: kernels of softmax are slow along other axes than the last.
        weight = (near - near.amax(dim=1, keepdim=True)).exp()
        weight = weight.flatten(2)
        blended = transforms.flatten(2).mT @ weight / weight.sum(dim=1, keepdim=True)
        blended = blended.unflatten(1, (2, 3)).unflatten(3, self.size)  # (B, 2, 3, H, W)
        x, y = own_places(self.size, distances)
        return blended[:, :, 0] * x + blended[:, :, 1] * y + blended[:, :, 2]


@dataclass(frozen=True)
class MovedParts:
    """The parts of a target pose, and where they come from.

    Attributes:
        geometry: For the skeleton and the size.
        pose: The target pose, in pixels.
        limbs: Its limbs.
        transforms: `source_from_target` in pixels, in float64: fits are cheap, and nearest sampling
            is sensitive at exact half pixels.
        found: Which parts have a transform.
    """

    geometry: PoseGeometry
    pose: Pose
    limbs: Limbs
    transforms: Float[Tensor, "batch parts 2 3"]
    found: Bool[Tensor, "batch parts"]

    @staticmethod
    def of(
        source_pose: Pose, target_pose: Pose, skeleton: Skeleton, size: tuple[int, int]
    ) -> "MovedParts":
        """Fit the transforms of all parts.

        Args:
            source_pose: In pixels of the source image.
            target_pose: In pixels of the target image.
            skeleton: Defines the parts.
            size: Height and width of both images.
        """
        geometry = PoseGeometry(skeleton, size)
        poses = (source_pose.to(torch.float64), target_pose.to(torch.float64))
        transforms, found = geometry.transforms(*poses, *map(geometry.limbs, poses))
        return MovedParts(geometry, target_pose, geometry.limbs(target_pose), transforms, found)

    def masks(self, strides: Sequence[int]) -> list[Bool[Tensor, "batch parts _ _"]]:
        """Draw the masks of the parts that have a transform; see `part_masks`."""
        masks = self.geometry.masks(self.pose, self.limbs, strides)
        return [mask & self.found[:, :, None, None] for mask in masks]

    def distances(self) -> Float[Tensor, "batch parts height width"]:
        """Compute the distance of every pixel to every part; see `part_distances`."""
        return self.geometry.distances(self.pose, self.limbs)

    def field(
        self, distances: Float[Tensor, "batch parts height width"], softness: float
    ) -> Float[Tensor, "batch 2 height width"]:
        """Blend the transforms; see `part_field`.

        Args:
            distances: See `distances`.
            softness: In unit lengths of the target pose.
        """
        width = softness * self.limbs.unit.clamp(min=1)
        # Without the bfloat16 of a caller's autocast, whose error is half a pixel at pixel 100.
        with torch.autocast(distances.device.type, enabled=False):
            transforms = self.transforms.to(distances.dtype)
            return self.geometry.field(distances, transforms, self.found, width)


def _spans(
    corners: Float[Tensor, "batch limbs 4 2"], x: Float[Tensor, "columns"]
) -> tuple[Float[Tensor, "batch limbs columns"], Float[Tensor, "batch limbs columns"]]:
    """Return where every column enters and leaves rectangles; see `inside_polygon`.

    A column crosses two edges of a convex polygon, or none.
    """
    x1, y1 = corners.split(1, dim=3)
    x2, y2 = corners.roll(1, dims=2).split(1, dim=3)
    spans = (x1 <= x) != (x2 <= x)
    crossing = (y2 - y1) * (x - x1) / torch.where(x1 == x2, 1, x2 - x1) + y1
    return (
        torch.where(spans, crossing, _FAR).amin(dim=2),
        torch.where(spans, crossing, -_FAR).amax(dim=2),
    )


def _indices(places: list[int]) -> Tensor:
    return torch.tensor(places, dtype=torch.int64)
