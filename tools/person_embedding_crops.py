"""PersonBatches: augmented photos of people, several of each, from (seed, step) alone.

Augmentations keep the identity: shift, rotation, mirroring, lighting, blur as in generated
pictures, partial occlusion, and another background.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from deformgan.pixels import to_float
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

REACH = 0.06  # width of the person around the bones, as a share of the image height
ELSEWHERE = 0.3  # share of the photos whose background is replaced by another photo
BLURRED = 0.3
HIDDEN = 0.4
GREY = 0.05


@dataclass(frozen=True)
class PhotosOfPeople:
    """Photos with the identities of the people in them.

    Attributes:
        images: RGB.
        pose: In pixels of `images`.
        people: Number of the person in each photo, from 0.
    """

    images: UInt8[Tensor, "images 3 height width"]
    pose: Pose
    people: Int64[Tensor, "images"]

    @cached_property
    def rows(self) -> list[Int64[Tensor, "_"]]:
        """Indices of the photos of each person."""
        order = self.people.argsort(stable=True)
        return list(order.split(self.people.bincount().tolist()))


class PersonBatches:
    """Training batches, by step.

    Args:
        photos: Photos to draw from.
        num_people: People per batch.
        num_photos: Photos per person; repeated for people with fewer photos.
        seed: Random seed.
        small_for: Number of first steps with images of half the height and width: a quarter of the
            cost, while colours and large shapes still have much to teach.
    """

    def __init__(
        self,
        photos: PhotosOfPeople,
        num_people: int,
        num_photos: int,
        seed: int,
        small_for: int = 0,
    ):
        self.photos = photos
        self.num_people = num_people
        self.num_photos = num_photos
        self.seed = seed
        self.small_for = small_for

    def __getitem__(
        self, step: int
    ) -> tuple[Float[Tensor, "batch 3 height width"], Int64[Tensor, "batch"]]:
        """Build the batch of a step, counted from 0: images in [-1, 1], and identities."""
        random = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        rows = self.photos.rows
        chosen = []
        for person in torch.randperm(len(rows), generator=random)[: self.num_people].tolist():
            mine = rows[person]
            order = torch.randperm(len(mine), generator=random)
            chosen.append(mine[order.repeat(self.num_photos)[: self.num_photos]])
        index = torch.cat(chosen)
        images = self._elsewhere(index, step < self.small_for, random)
        images = _move(images, random)
        images = _blur(_light(images, random), random)
        return _hide(images, random), self.photos.people[index]

    def _elsewhere(self, index: Tensor, small: bool, random: torch.Generator) -> Tensor:
        """Load photos, and paste some people in front of another photo, over its person."""
        images, pose = self._take(index, small)
        count = int(len(images) * ELSEWHERE)
        moved = torch.randperm(len(images), generator=random)[:count]
        other = torch.randint(len(self.photos.images), (count,), generator=random)
        place, _ = self._take(other, small)
        height, width = images.shape[2:]
        covered = person_region(pose[moved], (height, width))[:, None].float()
        # A soft border, so that the network cannot recognize pasted people by their outline.
        covered = F.avg_pool2d(covered, 3, stride=1, padding=1, count_include_pad=False)
        images[moved] = place + covered * (images[moved] - place)
        return images

    def _take(self, index: Tensor, small: bool) -> tuple[Tensor, Pose]:
        images = to_float(self.photos.images[index])
        pose = self.photos.pose[index]
        if not small:
            return images, pose
        return F.avg_pool2d(images, 2), Pose((pose.joints - 0.5) / 2, pose.visible)


def person_region(pose: Pose, size: tuple[int, int]) -> Bool[Tensor, "batch height width"]:
    """Compute the approximate region of each person: all pixels near a bone, with neck to hips.

    Args:
        pose: In pixels. Bones with an invisible end are skipped; without any, the region is the
            whole image.
        size: (height, width).
    """
    height, width = size
    # Computed at half the size, which is accurate enough.
    row = torch.arange(0.5, height, 2)
    column = torch.arange(0.5, width, 2)
    at = torch.stack(torch.meshgrid(column, row, indexing="xy"), dim=-1)[None, None]
    start, end = torch.tensor([OPENPOSE18.indices(bone) for bone in OPENPOSE18.limbs]).T
    first, last = (pose.joints[:, joint][:, :, None, None] for joint in (start, end))
    seen = pose.visible[:, start] & pose.visible[:, end]
    along = last - first
    share = ((at - first) * along).sum(-1) / (along * along).sum(-1).clamp(min=1e-6)
    away = (at - first - share.clamp(0, 1)[..., None] * along).norm(dim=-1)
    near = ((away < REACH * height) & seen[:, :, None, None]).any(dim=1)
    near |= ~seen.any(dim=1)[:, None, None]
    return near.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)[:, :height, :width]


def _uniform(random: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=random)


def _move(images: Tensor, random: torch.Generator) -> Tensor:
    """Shift, rotate, scale and mirror randomly, with border padding."""
    count, _, height, width = images.shape
    angle = _uniform(random, -0.1, 0.1, count)
    scale = torch.exp(_uniform(random, -0.14, 0.1, count))
    stretch = torch.exp(_uniform(random, -0.06, 0.06, count))
    mirror = (torch.rand(count, generator=random) < 0.5) * 2.0 - 1.0
    x = _uniform(random, -0.12, 0.12, count)
    y = _uniform(random, -0.08, 0.08, count)
    tall = height / width
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [
            torch.stack([mirror * cos * stretch, -sin * tall, x], dim=1),
            torch.stack([mirror * sin / tall, cos / stretch, y], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False, padding_mode="border")


def _light(images: Tensor, random: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and the colour of the light randomly."""
    count = len(images)
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    gain = torch.exp(_uniform(random, -0.2, 0.2, count, 1, 1, 1))
    light = _uniform(random, -0.2, 0.2, count, 1, 1, 1)
    colour = _uniform(random, -0.08, 0.08, count, 3, 1, 1)
    saturation = _uniform(random, 0.75, 1.25, count, 1, 1, 1)
    saturation[torch.rand(count, generator=random) < GREY] = 0
    grey = images.mean(dim=1, keepdim=True)
    images = grey + saturation * (images - grey)
    return (gain * (images - middle) + middle + light + colour).clamp(-1, 1)


def _blur(images: Tensor, random: torch.Generator) -> Tensor:
    """Blur some images by downscaling to a half or a third of their size and back."""
    order = torch.randperm(len(images), generator=random)
    half = int(len(images) * BLURRED / 2)
    images = images.clone()
    for chosen, factor in ((order[:half], 2), (order[half : 2 * half], 3)):
        if len(chosen):
            small = F.avg_pool2d(images[chosen], factor, stride=factor, ceil_mode=True)
            images[chosen] = F.interpolate(
                small, images.shape[2:], mode="bilinear", align_corners=False
            )
    return images


def _hide(images: Tensor, random: torch.Generator) -> Tensor:
    """Cover some images with a grey or coloured box."""
    count, _, height, width = images.shape
    area = _uniform(random, 0.03, 0.3, count) * height * width
    tall = torch.exp(_uniform(random, -0.7, 1.2, count))
    box = torch.stack([(area * tall).sqrt(), (area / tall).sqrt()], dim=1)
    side = torch.tensor([height, width], dtype=torch.float32)
    middle = torch.rand(count, 2, generator=random) * side
    hidden = torch.rand(count, generator=random) < HIDDEN
    row, column = torch.arange(height), torch.arange(width)
    within = ((row - middle[:, :1]).abs() < box[:, :1] / 2)[:, :, None]
    within = within & ((column - middle[:, 1:]).abs() < box[:, 1:] / 2)[:, None, :]
    colour = _uniform(random, -0.7, 0.7, count, 3, 1, 1)
    return torch.where((within & hidden[:, None, None])[:, None], colour, images)
