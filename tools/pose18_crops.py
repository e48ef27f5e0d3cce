"""CropBatches: augmented crops of people for training a detector, from (seed, step) alone.

A crop is what `detectors.pose18` cuts out around a person, with augmentations that cover variations
of photos and errors of earlier passes: shift, rotation, wrong scale, truncation, blur, darkness,
occlusion, a second person, or no person at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from deformgan.pixels import to_float
from deformgan.pose import Pose
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 96)  # height and width of a crop
FILL = (100.0, 72.0)  # largest height and width of the joints' bounding box in a crop
LARGEST_ENLARGEMENT = 6.0
FEWEST_JOINTS = 6  # of a person whom an edge cuts
UPPER_BODY = OPENPOSE18.indices(
    [joint for joint in OPENPOSE18.joints if not joint.endswith(("knee", "ankle"))]
)
TORSO = OPENPOSE18.mandatory_joints


@dataclass(frozen=True)
class People:
    """Images of one person each.

    Attributes:
        images: RGB.
        pose: In pixels of `images`.
        masks: Coverage of every pixel by the person, 0..255, if known.
        complete: Whether every joint without a position is hidden. If not, the annotator may have
            missed it.
        cut: Share of the crops in which an edge of the image cuts off a part of the person, as in
            photos taken from near.
    """

    images: UInt8[Tensor, "images 3 height width"]
    pose: Pose
    masks: UInt8[Tensor, "images height width"] | None = None
    complete: bool = True
    cut: float = 0.0


@dataclass(frozen=True)
class Crops:
    """A batch of crops.

    Attributes:
        images: RGB in [-1, 1], of `SIZE`.
        pose: Pose of the crop's person, in pixels of the crop; only joints inside it are visible.
        other: Pose of a second person in the crop; often without visible joints.
        known: Joints whose visibility label is reliable. False for a joint behind an occluder or
            without annotation, which the network may guess or not.
    """

    images: Float[Tensor, "batch 3 height width"]
    pose: Pose
    other: Pose
    known: Bool[Tensor, "batch joints"]


class CropBatches:
    """Training crops from several sets of people, in fixed proportions.

    Args:
        people: The sets.
        counts: Number of crops of each set in a batch.
        empties: Images without people, RGB, of one size.
        num_empty: Number of crops without people in a batch.
        seed: Random seed.
        gentle_from: Step from which augmentation is half as strong, so that training ends on
            typical crops.
    """

    def __init__(
        self,
        people: Sequence[People],
        counts: Sequence[int],
        empties: UInt8[Tensor, "images 3 height width"],
        num_empty: int,
        seed: int,
        gentle_from: int | None = None,
    ):
        self.people = list(people)
        self.counts = list(counts)
        self.empties = empties
        self.num_empty = num_empty
        self.seed = seed
        self.gentle_from = gentle_from

    def __getitem__(self, step: int) -> Crops:
        """Build the batch of a step, counted from 0; there is no last one."""
        random = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        gentle = self.gentle_from is not None and step >= self.gentle_from
        severity = 0.5 if gentle else 1.0
        parts = []
        for people, count in zip(self.people, self.counts, strict=True):
            chosen = torch.randint(len(people.images), (count,), generator=random)
            parts.append(_crops(people, chosen, self.empties, random, severity))
        parts.append(_nobody(self.people, self.empties, self.num_empty, random))
        return Crops(
            _spoil(torch.cat([part.images for part in parts]), random, severity),
            Pose.cat([part.pose for part in parts]),
            Pose.cat([part.other for part in parts]),
            torch.cat([part.known for part in parts]),
        )


def _crops(
    people: People,
    chosen: Tensor,
    empties: Tensor,
    random: torch.Generator,
    severity: float = 1.0,
) -> Crops:
    count = len(chosen)
    images = to_float(people.images[chosen])
    pose, masks = people.pose[chosen], None
    if people.masks is not None:
        masks = people.masks[chosen][:, None].float() / 255
    # Mirror every second crop on average.
    flipped = _chance(count, 0.5, random)
    mirrored = pose.flip(images.shape[-1], OPENPOSE18)
    pose = Pose(
        torch.where(flipped[:, None, None], mirrored.joints, pose.joints),
        torch.where(flipped[:, None], mirrored.visible, pose.visible),
    )
    images = torch.where(flipped[:, None, None, None], images.flip(-1), images)
    if masks is not None:
        masks = torch.where(flipped[:, None, None, None], masks.flip(-1), masks)

    annotated = pose.visible
    edges = _edges(pose, people.cut, random)
    pose = Pose(pose.joints, pose.visible & _within(pose.joints, edges))
    image_from_crop = _looks(pose, random, severity)
    placed = _to_crop(pose, image_from_crop)
    # Fill the area beyond the image, and behind a person who was cut out: with a plain colour, the
    # repeated border, another person's photo or an empty place.
    valid = _sample(torch.ones_like(images[:, :1]), image_from_crop, "zeros")
    if masks is not None:
        cut_out = _chance(count, 0.5, random)[:, None, None, None]
        alpha = _sample(masks, image_from_crop, "zeros")
        valid = torch.where(cut_out, alpha, valid)
    behind, other = _behind(people, images, empties, image_from_crop, random)
    crops = _sample(images, image_from_crop, "border") * valid + behind * (1 - valid)
    # Joints of the second person are visible where the image does not cover them.
    where = other.joints.round().long()
    columns, rows = where[..., 0].clamp(0, SIZE[1] - 1), where[..., 1].clamp(0, SIZE[0] - 1)
    shown = valid[torch.arange(count)[:, None], 0, rows, columns] < 0.5
    other = Pose(other.joints, other.visible & shown & _inside(other))

    crops, edges = _cut_off(crops, edges, image_from_crop)
    placed = Pose(placed.joints, placed.visible & _within(placed.joints, edges))
    other = Pose(other.joints, other.visible & _within(other.joints, edges))
    crops, known = _cover(crops, placed, random, severity)
    if not people.complete:
        known = known & annotated
    return Crops(crops, Pose(placed.joints, placed.visible & _inside(placed)), other, known)


def _edges(pose: Pose, share: float, random: torch.Generator) -> Tensor:
    """Draw where the image ends, as (left, top, right, bottom) in its pixels.

    Most cuts are between shoulders and knees, some through the head or beside the torso; infinite
    where nothing is cut off.
    """
    count = len(pose)
    whole = torch.tensor([-torch.inf, -torch.inf, torch.inf, torch.inf]).repeat(count, 1)
    if share == 0:
        return whole
    edges = whole.clone()
    torso = pose.joints[:, TORSO]
    low, high = torso.amin(dim=1), torso.amax(dim=1)
    height = (high - low)[:, 1].clamp(min=4.0)
    usable = pose.visible[:, TORSO].all(dim=1) & _chance(count, share, random)
    # In torso lengths below the hips: the knees are about one, the ankles two further down.
    bottom = high[:, 1] + height * (torch.rand(count, generator=random) * 1.9 - 0.3)
    top = low[:, 1] - height * (0.05 + 0.45 * torch.rand(count, generator=random))
    margin = height * (0.4 * torch.rand(count, generator=random) - 0.05)
    kind = torch.rand(count, generator=random)
    edges[:, 3] = bottom.where(usable & (kind < 0.85), edges[:, 3])
    edges[:, 1] = top.where(usable & (kind > 0.75), edges[:, 1])
    side = torch.rand(count, generator=random)
    edges[:, 0] = (low[:, 0] - margin).where(usable & (side < 0.08), edges[:, 0])
    edges[:, 2] = (high[:, 0] + margin).where(usable & (side > 0.92), edges[:, 2])
    enough = (pose.visible & _within(pose.joints, edges)).sum(dim=1) >= FEWEST_JOINTS
    return torch.where(enough[:, None], edges, whole)


def _within(joints: Tensor, edges: Tensor) -> Tensor:
    """Return which joints lie between the edges."""
    return ((joints >= edges[:, None, :2]) & (joints <= edges[:, None, 2:])).all(dim=-1)


def _cut_off(crops: Tensor, edges: Tensor, image_from_crop: Tensor) -> tuple[Tensor, Tensor]:
    """Repeat the pixels at the edges beyond them, as `cut_box` does, and return them in the crop.

    In a turned crop an edge stays upright, where it crosses the middle.
    """
    if edges.isinf().all():
        return crops, edges
    rows, offset = image_from_crop[:, :, :2], image_from_crop[:, :, 2]
    middle = torch.tensor([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2])
    along = torch.diagonal(rows, dim1=1, dim2=2)  # pixels of the image per pixel of the crop
    centre = rows @ middle + offset
    placed = (edges.unflatten(1, (2, 2)) - centre[:, None]) / along[:, None] + middle
    last = torch.tensor([SIZE[1] - 1.0, SIZE[0] - 1.0])
    low, high = placed[:, 0].clamp(min=0).floor(), placed[:, 1].minimum(last).ceil()
    low, high = low.minimum(last - 1), high.maximum(torch.ones(2))
    columns = torch.arange(SIZE[1]).clamp(low[:, :1], high[:, :1]).long()
    lines = torch.arange(SIZE[0]).clamp(low[:, 1:], high[:, 1:]).long()
    crops = crops.gather(3, columns[:, None, None, :].expand_as(crops))
    crops = crops.gather(2, lines[:, None, :, None].expand_as(crops))
    return crops, placed.flatten(1)


def _looks(pose: Pose, random: torch.Generator, severity: float = 1.0) -> Tensor:
    """Draw the position of each crop: a map (B, 2, 3) from its pixels to those of the image."""
    count = len(pose)
    seen = pose.visible.clone()
    half = _chance(count, 0.2 * severity, random)  # only the upper body is framed
    upper = torch.zeros_like(seen)
    upper[:, UPPER_BODY] = True
    upper &= seen
    seen = torch.where((half & (upper.sum(dim=1) >= 4))[:, None], upper, seen)
    low, high = _box(pose.joints, seen)
    size = (high - low).clamp(min=4.0)
    scale = (torch.tensor([FILL[1], FILL[0]]) / size).amin(dim=1).clamp(max=LARGEST_ENLARGEMENT)
    # Most crops are well placed; a quarter imitate a first pass, far off the person's centre.
    rough = _chance(count, 0.25 * severity, random)
    spread = torch.where(rough, 0.4, 0.14)
    scale = scale * (_normal(count, random) * spread).clamp(-0.9, 0.5).exp()
    shift = torch.stack([_normal(count, random), _normal(count, random)], dim=1)
    shift = shift * torch.where(rough, 16.0, 5.0)[:, None]
    angle = _normal(count, random).clamp(-2.5, 2.5) * 0.2
    angle = torch.where(_chance(count, 0.4 * severity, random), angle, torch.zeros(()))
    stretch = (_normal(count, random) * 0.07).exp()
    middle = (low + high) / 2
    center = torch.tensor([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2]) + shift
    cos, sin = angle.cos() / scale, angle.sin() / scale
    rows = torch.stack([cos * stretch, -sin, sin * stretch, cos], dim=1).reshape(-1, 2, 2)
    offset = middle - (rows @ center[..., None])[..., 0]
    return torch.cat([rows, offset[..., None]], dim=2)


def _to_crop(pose: Pose, image_from_crop: Tensor) -> Pose:
    rows, offset = image_from_crop[:, :, :2], image_from_crop[:, :, 2]
    joints = torch.linalg.solve(rows, (pose.joints - offset[:, None]).transpose(1, 2))
    return Pose(joints.transpose(1, 2).contiguous(), pose.visible)


def _sample(images: Tensor, image_from_crop: Tensor, padding: str) -> Tensor:
    """Sample crops from images; images that shrink to less than a half are averaged before."""
    height, width = images.shape[2:]
    row = torch.arange(SIZE[0], dtype=torch.float32)
    column = torch.arange(SIZE[1], dtype=torch.float32)
    grid = torch.stack(torch.meshgrid(column, row, indexing="xy"), dim=-1).reshape(-1, 2)
    places = grid @ image_from_crop[:, :, :2].transpose(1, 2) + image_from_crop[:, None, :, 2]
    places = (places + 0.5) / torch.tensor([width, height]) * 2 - 1
    places = places.unflatten(1, SIZE)
    shrinking = image_from_crop[:, :, :2].flatten(1).norm(dim=1) / 2**0.5
    large = (shrinking >= 2) & (height % 2 == 0) & (width % 2 == 0)
    crops = torch.empty(len(images), images.shape[1], *SIZE)
    for chosen, factor in ((~large, 1), (large, 2)):
        if chosen.any():
            small = F.avg_pool2d(images[chosen], factor)
            crops[chosen] = F.grid_sample(
                small, places[chosen], padding_mode=padding, align_corners=False
            )
    return crops


def _behind(
    people: People,
    images: Tensor,
    empties: Tensor,
    image_from_crop: Tensor,
    random: torch.Generator,
) -> tuple[Tensor, Pose]:
    """Build the background of the crops, and return the pose of a second person in it."""
    count = len(images)
    kind = torch.rand(count, generator=random)
    # A plain colour: grey, black, white or any other.
    flat = torch.rand(count, 3, 1, 1, generator=random) * 2 - 1
    grey = torch.rand(count, 1, 1, 1, generator=random) * 2 - 1
    grey = torch.where(torch.rand(count, 1, 1, 1, generator=random) < 0.3, grey.sign(), grey)
    plain = _chance(count, 0.7, random)[:, None, None, None]
    behind = torch.where(plain, grey, flat).expand(-1, -1, *SIZE)
    # The repeated border.
    behind = behind.clone()
    bordered, placed = kind < 0.35, kind > 0.6
    behind[bordered] = _sample(images[bordered], image_from_crop[bordered], "border")
    # A place without people.
    behind[placed] = _places(empties, int(placed.sum()), random)
    # A whole second person to the right or left.
    chosen = torch.randint(len(people.images), (count,), generator=random)
    neighbour = people.pose[chosen]
    side = torch.where(_chance(count, 0.5, random), 1.0, -1.0)
    look = _looks(neighbour, random)
    shift = torch.stack(
        [side * (34 + 30 * torch.rand(count, generator=random)), torch.zeros(count)], 1
    )
    look = torch.cat([look[..., :2], look[..., 2:] - look[..., :2] @ shift[..., None]], dim=2)
    crowd = _chance(count, 0.25, random)
    them = to_float(people.images[chosen[crowd]])
    behind[crowd] = _sample(them, look[crowd], "border")
    other = _to_crop(neighbour, look)
    return behind, Pose(other.joints, other.visible & crowd[:, None])


def _places(empties: Tensor, count: int, random: torch.Generator) -> Tensor:
    chosen = torch.randint(len(empties), (count,), generator=random)
    images = to_float(empties[chosen])
    height, width = images.shape[2:]
    share = 0.25 + 0.75 * torch.rand(count, generator=random)
    scale = share * min(height / SIZE[0], width / SIZE[1])
    turn = torch.where(_chance(count, 0.5, random), 1.0, -1.0)
    rows = torch.zeros(count, 2, 2)
    rows[:, 0, 0], rows[:, 1, 1] = scale * turn, scale
    extent = torch.stack([scale * (SIZE[1] - 1), scale * (SIZE[0] - 1)], dim=1)
    room = torch.tensor([width - 1.0, height - 1.0]) - extent
    corner = torch.rand(count, 2, generator=random) * room
    corner[:, 0] += torch.where(turn < 0, extent[:, 0], torch.zeros(()))
    return _sample(images, torch.cat([rows, corner[..., None]], dim=2), "border")


def _cover(
    crops: Tensor, pose: Pose, random: torch.Generator, severity: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Cover a quarter of the crops with a plain rectangle, at half severity an eighth."""
    count = len(crops)
    size = torch.rand(count, 2, generator=random) * torch.tensor([30.0, 44.0]) + 8
    corner = torch.rand(count, 2, generator=random) * torch.tensor([SIZE[1], SIZE[0]]) - size / 2
    covered = _chance(count, 0.25 * severity, random)
    column = torch.arange(SIZE[1])[None, None, :]
    row = torch.arange(SIZE[0])[None, :, None]
    low, high = corner[..., None, None], (corner + size)[..., None, None]
    inside = (column >= low[:, 0]) & (column < high[:, 0]) & (row >= low[:, 1]) & (row < high[:, 1])
    inside &= covered[:, None, None]
    color = torch.rand(count, 3, 1, 1, generator=random) * 2 - 1
    behind = (pose.joints >= corner[:, None]) & (pose.joints < (corner + size)[:, None])
    known = ~(behind.all(dim=-1) & covered[:, None])
    return torch.where(inside[:, None], color, crops), known


def _nobody(
    people: Sequence[People], empties: Tensor, count: int, random: torch.Generator
) -> Crops:
    """Build crops without people, of four kinds in turn."""
    kinds = [
        lambda: _places(empties, 1, random),
        lambda: _texture(people[0], random),
        lambda: _shuffled(people[0].images, random),
        lambda: _pattern(random),
    ]
    first = int(torch.randint(len(kinds), (), generator=random))
    images = torch.cat([kinds[(first + number) % len(kinds)]() for number in range(count)])
    joints = len(OPENPOSE18.joints)
    pose = Pose(torch.zeros(count, joints, 2), torch.zeros(count, joints, dtype=torch.bool))
    return Crops(images, pose, pose, torch.ones(count, joints, dtype=torch.bool))


def _texture(people: People, random: torch.Generator) -> Tensor:
    """Enlarge a piece of a photo without joints, such as a wall, leaves, a road or a sleeve."""
    chosen = int(torch.randint(len(people.images), (), generator=random))
    image, pose = people.images[chosen], people.pose[[chosen]]
    height, width = image.shape[1:]
    joints = pose.joints[pose.visible]
    rows, columns, top, left = 24, 18, 0, 0
    for _ in range(8):
        rows = int(torch.randint(16, 56, (), generator=random))
        columns = rows * 3 // 4
        top = int(torch.randint(height - rows, (), generator=random))
        left = int(torch.randint(width - columns, (), generator=random))
        low = torch.tensor([left, top])
        if not ((joints >= low) & (joints < low + torch.tensor([columns, rows]))).all(1).any():
            break
    piece = to_float(image[None, :, top : top + rows, left : left + columns])
    return F.interpolate(piece, size=SIZE, mode="bilinear")


def _shuffled(images: Tensor, random: torch.Generator) -> Tensor:
    """Cut a photo into squares of 8, 16 or 32 pixels and shuffle them."""
    chosen = torch.randint(len(images), (1,), generator=random)
    photo = F.interpolate(to_float(images[chosen]), size=SIZE, mode="bilinear")
    side = 8 << int(torch.randint(3, (), generator=random))
    blocks = photo.unfold(2, side, side).unfold(3, side, side).flatten(2, 3)
    blocks = blocks[:, :, torch.randperm(blocks.shape[2], generator=random)]
    blocks = blocks.unflatten(2, (SIZE[0] // side, SIZE[1] // side))
    return blocks.permute(0, 1, 2, 4, 3, 5).reshape(1, 3, *SIZE)


def _pattern(random: torch.Generator) -> Tensor:
    """Render blobs or grains of any size on a gradient, or stripes."""
    size = 1 << int(torch.randint(6, (), generator=random))
    colors = 1 if torch.rand((), generator=random) < 0.4 else 3
    grains = torch.randn(1, colors, SIZE[0] // size + 2, SIZE[1] // size + 2, generator=random)
    smooth = "bicubic" if torch.rand((), generator=random) < 0.6 else "nearest"
    blobs = F.interpolate(grains, size=SIZE, mode=smooth).expand(-1, 3, -1, -1)
    row = torch.linspace(-1, 1, SIZE[0])[:, None]
    column = torch.linspace(-0.75, 0.75, SIZE[1])[None, :]
    slope = torch.randn(2, generator=random)
    ramp = slope[0] * row + slope[1] * column
    waves = 2 ** (torch.rand((), generator=random) * 5)
    stripes = torch.sin(waves * 3 * ramp).expand(1, 3, -1, -1)
    share = torch.rand(3, generator=random) * (torch.rand(3, generator=random) < 0.6)
    tint = torch.randn(1, 3, 1, 1, generator=random) * 0.5
    return (share[0] * blobs + share[1] * stripes + share[2] * ramp + tint).clamp(-1, 1)


def _spoil(images: Tensor, random: torch.Generator, severity: float = 1.0) -> Tensor:
    """Change lighting and colours, blur, and add noise."""
    count = len(images)

    def drawn(spread: float, channels: int = 1) -> Tensor:
        return torch.randn(count, channels, 1, 1, generator=random) * spread * severity

    # A third of the crops is downscaled to a half, a third or a quarter of the size, and back.
    images = images.clone()
    for share, factor in ((0.16, 2), (0.1, 3), (0.06, 4)):
        soft = _chance(count, share * severity, random)
        small = F.interpolate(
            images[soft], size=(SIZE[0] // factor, SIZE[1] // factor), mode="area"
        )
        images[soft] = F.interpolate(small, size=SIZE, mode="bilinear")
    images = (images + 1) / 2
    images = images.clamp(0, 1) ** (drawn(0.25).clamp(-0.7, 0.7)).exp()
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - mean) * drawn(0.2).clamp(-0.6, 0.5).exp() + mean + drawn(0.06)
    images = images * drawn(0.07, 3).exp()
    grey = images.mean(dim=1, keepdim=True)
    saturation = (1 + drawn(0.35)).clamp(0, 2)
    saturation = torch.where(_chance(count, 0.05, random)[:, None, None, None], 0.0, saturation)
    images = grey + (images - grey) * saturation
    level = torch.rand(count, 1, 1, 1, generator=random) ** 2 * 0.07 * severity
    images = images + torch.randn(images.shape, generator=random) * level
    return images.clamp(0, 1) * 2 - 1


def _box(joints: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    hidden = ~seen[..., None]
    low = joints.masked_fill(hidden, torch.inf).amin(dim=1)
    return low, joints.masked_fill(hidden, -torch.inf).amax(dim=1)


def _inside(pose: Pose) -> Tensor:
    edge = torch.tensor([SIZE[1] - 0.5, SIZE[0] - 0.5])
    return ((pose.joints > -0.5) & (pose.joints < edge)).all(dim=-1)


def _chance(count: int, share: float, random: torch.Generator) -> Tensor:
    return torch.rand(count, generator=random) < share


def _normal(count: int, random: torch.Generator) -> Tensor:
    return torch.randn(count, generator=random)
