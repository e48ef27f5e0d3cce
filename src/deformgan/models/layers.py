"""Layers: a picture as a copy of the photo, paint, a scene, and what decides between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.pair import View
from deformgan.part_field import own_places
from deformgan.pose import Pose

Base = Literal["soft", "hard"]

# The choice between several photos: the odds that each shows a surface, and how much of the person
# it shows, to these powers. Higher ones decide harder; means of several copies would be blurred.
DECISIVE, LEADING = 4.0, 4.0

# What gradients of the picture must not reach: "nothing"; the matte of the "source", which truth
# teaches; or "all" that decides between the layers.
Hold = Literal["nothing", "source", "all"]


@dataclass(frozen=True)
class LayersConfig:
    """The shape of a layered output (ours, not the paper's).

    Attributes:
        rows: Rows of the image that the network looks at; the columns follow the photo's shape.
            Fields and features have its size, paint and scene twice its rows and columns, and the
            picture any size.
        base: Where the field begins: the parts' transforms blended softly (see `part_field`), or
            the nearest part's alone.
        correction: Whether a network corrects the field.
        decision: How much steeper than the odds the picture decides, between copy and paint and
            between person and scene: at 1 doubt becomes a blend, which is blurred or double.
        copy: Whether the picture may show the photo itself; without it all is paint.
        field_widths: Channels of the networks that find the field, half resolution first.
        detail_widths: Channels of the layers that paint: at the network's resolution, and at twice
            that.
    """

    rows: int = 128
    base: Base = "soft"
    correction: bool = True
    decision: tuple[float, float] = (3.0, 2.0)
    copy: bool = True
    field_widths: tuple[int, ...] = (24, 48, 80, 96, 96)
    detail_widths: tuple[int, int] = (32, 16)

    def __post_init__(self):
        if self.rows < 32 or self.rows % 32:
            raise ValueError(f"rows must be a positive multiple of 32, got {self.rows}")
        if len(self.field_widths) < 3 or any(width % 8 for width in self.field_widths):
            raise ValueError(
                f"field_widths must be at least three multiples of 8, got {self.field_widths}"
            )

    @property
    def stride(self) -> int:
        """Pixels that the network looks at per pixel of the coarsest level of the field's."""
        return 2 ** len(self.field_widths)


@dataclass(frozen=True)
class Fields:
    """What the poses and a look at the photo decide, at the network's resolution.

    Attributes:
        base: `source_from_target` by the parts' transforms alone, (x, y) in the network's pixels.
        source_from_target: The corrected one.
        visible: Logits: the source shows the very surface that the target shows there.
        matte: Logits: the target shows the person there.
        source_matte: Logits: the source photo shows the person there.
    """

    base: Float[Tensor, "batch 2 height width"]
    source_from_target: Float[Tensor, "batch 2 height width"]
    visible: Float[Tensor, "batch 1 height width"]
    matte: Float[Tensor, "batch 1 height width"]
    source_matte: Float[Tensor, "batch 1 height width"]


@dataclass(frozen=True)
class Layers:
    """A picture and what it is made of, all of the picture's size.

    Attributes:
        picture: `matte * (visible * copy + (1 - visible) * paint) + (1 - matte) * scene`.
        copy: The photo, read through the field.
        paint: The person as painted.
        scene: What is behind them as painted.
        visible: In [0, 1], how much of the person is copy.
        matte: In [0, 1], how much of the picture is person.
        logits: Of visible and matte as they are taught, before they are decided (see
            `LayersConfig.decision`) and before copies end at the source's outline.
        fields: What these come from.
    """

    picture: Float[Tensor, "batch 3 rows columns"]
    copy: Float[Tensor, "batch 3 rows columns"]
    paint: Float[Tensor, "batch 3 rows columns"]
    scene: Float[Tensor, "batch 3 rows columns"]
    visible: Float[Tensor, "batch 1 rows columns"]
    matte: Float[Tensor, "batch 1 rows columns"]
    logits: Float[Tensor, "batch 2 rows columns"]
    fields: Fields

    @property
    def person(self) -> Float[Tensor, "batch 3 rows columns"]:
        """The person alone, in colours that mean nothing where the matte is 0."""
        return mix(self.visible, self.copy, self.paint)

    def over(
        self, scene: Float[Tensor, "_ 3 rows columns"]
    ) -> Float[Tensor, "batch 3 rows columns"]:
        """Put the person in front of another scene.

        Args:
            scene: RGB in [-1, 1], one for all or one for each.
        """
        return mix(self.matte, self.person, scene)


def combine(photos: Sequence[Layers]) -> Layers:
    """Combine what several photos of one person make of the same target.

    Each pixel's copy is from the photo that shows the surface most surely, nearly alone. Only what
    no photo shows is painted. Paint and matte are mostly those of the photo that shows most of the
    person; the weights change smoothly with the pose, so nothing jumps between frames. The scene is
    the first photo's.

    Args:
        photos: Layers of the same targets and size.

    Returns:
        Layers with the first photo's fields and logits. Of one photo given several times, what it
        makes alone: the same guess twice is no more certain, so the visible share is a weighted
        mean as well.
    """
    if len(photos) == 1:
        return photos[0]
    visible = torch.stack([layers.visible for layers in photos])
    mattes = torch.stack([layers.matte for layers in photos])
    shares = torch.softmax(DECISIVE * torch.logit(visible, eps=1e-4), dim=0)
    shown = (visible * mattes).sum(dim=(2, 3, 4), keepdim=True)
    leads = torch.softmax(LEADING * torch.log(shown.clamp(min=1e-6)), dim=0)
    copy = (shares * torch.stack([layers.copy for layers in photos])).sum(dim=0)
    paint = (leads * torch.stack([layers.paint for layers in photos])).sum(dim=0)
    seen, matte = (shares * visible).sum(dim=0), (leads * mattes).sum(dim=0)
    first = photos[0]
    picture = mix(matte, mix(seen, copy, paint), first.scene)
    return Layers(picture, copy, paint, first.scene, seen, matte, first.logits, first.fields)


class Detail(nn.Module):
    """Paints at twice the network's resolution, beginning with the picture that it is given.

    Args:
        inputs: Channels of the features at the network's resolution.
        widths: See `LayersConfig.detail_widths`.
    """

    PLANES = (3, 3, 1, 1)  # paint, scene, visible, matte

    def __init__(self, inputs: int, widths: tuple[int, int]):
        super().__init__()
        wide, narrow = widths
        self.enter = nn.Conv2d(inputs, wide, 1)
        self.block = nn.Sequential(
            nn.Conv2d(wide, wide, 3, padding=1), nn.ReLU(), nn.Conv2d(wide, wide, 3, padding=1)
        )
        self.shuffle = nn.Conv2d(wide, 48, 1)
        self.look = nn.Conv2d(12 + 5, narrow, 3, padding=1)
        self.leave = nn.Conv2d(narrow, sum(self.PLANES), 3, padding=1)

    def begin(self) -> None:
        """Start from the picture that comes in: all changes are zero."""
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        features: Float[Tensor, "batch inputs height width"],
        copy: Float[Tensor, "batch 3 height*2 width*2"],
        weights: Float[Tensor, "batch 2 height*2 width*2"],
    ) -> list[Tensor]:
        """Return changes of paint, scene (before tanh) and of the logits of visible and matte.

        Args:
            features: Of the trunk, after its activation.
            copy: The photo, read through the field.
            weights: Visible and matte so far, in [0, 1].
        """
        features = F.relu(self.enter(features))
        features = F.relu(features + self.block(features))
        fine = unfold(self.shuffle(features))
        fine = F.relu(self.look(torch.cat([fine, copy, weights], dim=1)))
        return list(self.leave(fine).split(self.PLANES, dim=1))


def unfold(
    planes: Float[Tensor, "batch folded height width"],
) -> Float[Tensor, "batch _ height*2 width*2"]:
    """Turn four channels into one of twice the resolution, without the pattern of their order.

    The four are predicted apart, and where they disagree the picture would be dotted: weights 1 2 1
    in both directions leave nothing that changes from pixel to pixel.
    """
    fine = F.pixel_shuffle(planes.float(), 2)
    fine = F.pad(fine, (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(fine, 2, stride=1), 2, stride=1)


def mix(share: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Blend two images: `share * one + (1 - share) * other`."""
    return share * one + (1 - share) * other


def sample_at(
    image: Float[Tensor, "batch channels _ _"],
    source_from_target: Float[Tensor, "batch 2 height width"],
    size: tuple[int, int],
) -> Float[Tensor, "batch channels height width"]:
    """Read an image where a field says, bilinearly; beyond its edges, its edges.

    Args:
        image: Of any size; it covers the same area as the field's source.
        source_from_target: (x, y) in pixels of an image of `size`.
        size: Height and width that the field's pixels are of.
    """
    scale = source_from_target.new_tensor([2 / size[1], 2 / size[0]])[:, None, None]
    grid = ((source_from_target + 0.5) * scale - 1).permute(0, 2, 3, 1)
    return F.grid_sample(image.float(), grid, padding_mode="border", align_corners=False)


def resize_pose(pose: Pose, before: tuple[int, int], after: tuple[int, int]) -> Pose:
    """Bring a pose along when its image is resized; sizes are (height, width)."""
    if before == after:
        return pose
    scale = pose.joints.new_tensor([after[1] / before[1], after[0] / before[0]])
    return Pose((pose.joints + 0.5) * scale - 0.5, pose.visible)


def at_most_rows(view: View, rows: int) -> View:
    """Bring a view to so many rows, in its proportions, if it has more; its background too."""
    before = (view.image.shape[2], view.image.shape[3])
    if before[0] <= rows:
        return view
    size = (rows, round(rows * before[1] / before[0]))
    background = None if view.background is None else resize(view.background, size)
    return View(resize(view.image, size), resize_pose(view.pose, before, size), background)


def resize(
    image: Float[Tensor, "batch channels _ _"], size: tuple[int, int]
) -> Float[Tensor, "batch channels height width"]:
    """Resize bilinearly, averaging where it shrinks."""
    before = (image.shape[2], image.shape[3])
    if before == size:
        return image
    if before == (2 * size[0], 2 * size[1]):
        return F.avg_pool2d(image, 2)
    shrinks = before[0] > size[0] or before[1] > size[1]
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=shrinks)


def resize_field(
    source_from_target: Float[Tensor, "batch 2 _ _"], size: tuple[int, int]
) -> Float[Tensor, "batch 2 height width"]:
    """Resize a field; what it holds stays in the pixels that it had.

    The way of every pixel is resized, not its end: beyond the outermost pixels' centres there is
    nothing between which an end could lie.
    """
    before = (source_from_target.shape[2], source_from_target.shape[3])
    if before == size:
        return source_from_target
    ways = resize(source_from_target - own_places(before, source_from_target), size)
    scale = ways.new_tensor([before[1] / size[1], before[0] / size[0]])[:, None, None]
    return ways + (own_places(size, ways) + 0.5) * scale - 0.5
