"""Layered pictures: a copy of the photo, paint and a scene, composed by predicted opacities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.pair import View
from deformgan.part_field import SOFTNESS, own_places
from deformgan.pose import Pose

Base = Literal["soft", "hard"]

_MOST_ROWS = 2048  # of the network's images
_HARD = 1e-3  # softness at which the nearest part alone determines the field

# Logit of visibility above which a copy is of the surface itself. Elsewhere the field learns from
# known truth alone: losses on pictures would bend copies of the other side into swirls, which look
# like texture to a discriminator.
SHOWN = 1.95

# Logit of the source matte above which a pixel is certainly of the person: at 0, a fringe of the
# scene of one or two pixels is included.
CERTAIN = 2.0

# Exponents for combining several photos, applied to the odds that a photo shows a surface and to
# the amount of the person that it shows. High values select nearly one photo per pixel, since the
# mean of several copies would be blurred.
DECISIVE, LEADING = 4.0, 4.0

# Which opacities are detached, so that they get no gradient from the picture: "nothing", the matte
# of the "source" (trained on known truth alone), or "all".
Hold = Literal["nothing", "source", "all"]


@dataclass(frozen=True)
class LayersConfig:
    """Configuration of a layered output (ours, not the paper's).

    Attributes:
        rows: Height at which the network processes images; the width follows the photo's
            proportions. Fields and features have this size, paint and scene twice its height and
            width, and the picture any size.
        base: Initial field: "soft" blends the parts' transforms (see `part_field`), "hard" uses the
            nearest part's alone.
        correction: Whether a network corrects the field.
        decision: Factors on the logits of copy versus paint and of person versus scene. At 1,
            uncertainty becomes a blend, which looks blurred or doubled.
        copy: Whether the picture may contain pixels of the photo; without it all is painted.
        field_widths: Channels of the networks that predict the field, half resolution first.
        detail_widths: Channels of the painting layers at the network's resolution and at twice
            that.
    """

    rows: int = 128
    base: Base = "soft"
    correction: bool = True
    decision: tuple[float, float] = (6.0, 6.0)
    copy: bool = True
    field_widths: tuple[int, ...] = (24, 48, 80, 96, 96)
    detail_widths: tuple[int, int] = (32, 16)

    def __post_init__(self):
        if not 32 <= self.rows <= _MOST_ROWS or self.rows % 32:
            raise ValueError(f"rows must be a multiple of 32 up to {_MOST_ROWS}, got {self.rows}")
        if len(self.field_widths) < 3 or any(width % 8 for width in self.field_widths):
            raise ValueError(
                f"field_widths must be at least three multiples of 8, got {self.field_widths}"
            )

    @property
    def softness(self) -> float:
        """Width of the transition between the parts' transforms, in unit lengths."""
        return SOFTNESS if self.base == "soft" else _HARD

    @property
    def stride(self) -> int:
        """Network pixels per pixel of the coarsest level of the field networks."""
        return 2 ** len(self.field_widths)


@dataclass(frozen=True)
class Fields:
    """Field, visibility and mattes at the network's resolution.

    Attributes:
        base: `source_from_target` from the parts' transforms alone, (x, y) in the network's pixels.
        source_from_target: The corrected field.
        visible: Logits that the source shows the surface that the target shows at this pixel. With
            weights trained `through` cloth, a lower opacity stands for its other side.
        matte: Logits that the target shows the person at this pixel.
        source_matte: Logits that the source photo shows the person at this pixel.
    """

    base: Float[Tensor, "batch 2 height width"]
    source_from_target: Float[Tensor, "batch 2 height width"]
    visible: Float[Tensor, "batch 1 height width"]
    matte: Float[Tensor, "batch 1 height width"]
    source_matte: Float[Tensor, "batch 1 height width"]


@dataclass(frozen=True)
class Planes:
    """What a network predicts of a picture, from which it is composed at any size.

    Attributes:
        of_person: How much of the photo is person where the field reads it, in [0, 1], at the
            network's resolution.
        copy: The photo, sampled through the field, at twice that resolution like all that follows.
        paint: See `Layers`.
        scene: See `Layers`.
        logits: See `Layers`.
    """

    of_person: Float[Tensor, "batch 1 height width"]
    copy: Float[Tensor, "batch 3 height*2 width*2"]
    paint: Float[Tensor, "batch 3 height*2 width*2"]
    scene: Float[Tensor, "batch 3 height*2 width*2"]
    logits: Float[Tensor, "batch 2 height*2 width*2"]


@dataclass(frozen=True)
class Layers:
    """A picture and its layers, all of the picture's size.

    Attributes:
        picture: `matte * (visible * copy + (1 - visible) * paint) + (1 - matte) * scene`.
        copy: The photo, sampled through the field.
        paint: The person as painted by the network.
        scene: The background as painted by the network.
        visible: Opacity of the copy over the paint, in [0, 1].
        matte: Opacity of the person over the scene, in [0, 1].
        logits: Logits of `visible` and `matte` for training, before `LayersConfig.decision` is
            applied and before copies are clipped at the source's outline.
        fields: The fields behind these layers.
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
        """The person alone; colours are meaningless where the matte is 0."""
        return mix(self.visible, self.copy, self.paint)

    def over(
        self, scene: Float[Tensor, "_ 3 rows columns"]
    ) -> Float[Tensor, "batch 3 rows columns"]:
        """Compose the person over another scene.

        Args:
            scene: RGB in [-1, 1], one for all or one for each.
        """
        return mix(self.matte, self.person, scene)


def combine(photos: Sequence[Layers]) -> Layers:
    """Combine the layers of the same target generated from several photos of one person.

    Each pixel is copied almost entirely from the photo that most certainly shows its surface. Only
    surface that no photo shows is painted. Paint and matte come mostly from the photo that shows
    most of the person. The weights change smoothly with the pose, so frames do not flicker. The
    scene is the first photo's.

    Args:
        photos: Layers of the same targets and size.

    Returns:
        Layers with the first photo's fields and logits. Repeating one photo does not change the
        result: the visible share is a weighted mean, since equal guesses add no certainty.
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
    """Network that refines a picture at twice the network's resolution.

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
        """Initialize all changes to zero, so that the incoming picture is the start."""
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
            features: Decoder features after their activation.
            copy: The photo, sampled through the field, without its scene.
            weights: Current `visible` and `matte`, in [0, 1].
        """
        features = F.relu(self.enter(features))
        features = F.relu(features + self.block(features))
        fine = unfold(self.shuffle(features))
        fine = F.relu(self.look(torch.cat([fine, copy, weights], dim=1)))
        return list(self.leave(fine).split(self.PLANES, dim=1))


def unfold(
    planes: Float[Tensor, "batch folded height width"],
) -> Float[Tensor, "batch _ height*2 width*2"]:
    """Fold groups of four channels into one of twice the resolution, without a dot pattern.

    The four channels are predicted separately, so differences among them would be
    visible as dots. The filter 1 2 1 in both directions removes variation from pixel to pixel.
    """
    fine = F.pixel_shuffle(planes.float(), 2)
    fine = F.pad(fine, (1, 1, 1, 1), mode="replicate")
    return _mean_of_four(_mean_of_four(fine))


def _mean_of_four(image: Tensor) -> Tensor:
    """Return the mean of every 2x2 pixels: `F.avg_pool2d(image, 2, stride=1)`, but faster on CPUs.

    The order of the sum is the same, and so are the bits.
    """
    if torch.compiler.is_exporting():
        return F.avg_pool2d(image, 2, stride=1)  # one node of a graph instead of eight
    total = image[..., :-1, :-1] + image[..., :-1, 1:]
    return total.add_(image[..., 1:, :-1]).add_(image[..., 1:, 1:]).mul_(0.25)


def mix(share: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Blend two images: `share * one + (1 - share) * other`."""
    return share * one + (1 - share) * other


def sample_at(
    image: Float[Tensor, "batch channels _ _"],
    source_from_target: Float[Tensor, "batch 2 height width"],
    size: tuple[int, int],
) -> Float[Tensor, "batch channels height width"]:
    """Sample an image bilinearly at the positions of a field, with border padding.

    Args:
        image: Of any size; it covers the same area as the field's source.
        source_from_target: (x, y) in pixels of an image of `size`.
        size: Height and width of the image that the field's pixels refer to.
    """
    scale = source_from_target.new_tensor([2 / size[1], 2 / size[0]])[:, None, None]
    grid = (source_from_target + 0.5) * scale - 1
    padding = "border"
    if torch.compiler.is_exporting():
        # Clamped to the centres of the outermost pixels, zero padding is never seen. The CPU
        # kernel of onnxruntime is several times faster with it.
        x, y = grid.split(1, dim=1)
        across, down = (1 - 1 / length for length in (image.shape[3], image.shape[2]))
        grid = torch.cat([x.clamp(-across, across), y.clamp(-down, down)], dim=1)
        padding = "zeros"
    grid = grid.permute(0, 2, 3, 1)
    return F.grid_sample(image.float(), grid, padding_mode=padding, align_corners=False)


def resize_pose(pose: Pose, before: tuple[int, int], after: tuple[int, int]) -> Pose:
    """Scale a pose to a resized image; sizes are (height, width)."""
    if before == after:
        return pose
    scale = pose.joints.new_tensor([after[1] / before[1], after[0] / before[0]])
    return Pose((pose.joints + 0.5) * scale - 0.5, pose.visible)


def at_most_rows(view: View, rows: int) -> View:
    """Downscale a view, with its background, to at most `rows` rows, keeping its proportions."""
    before = (view.image.shape[2], view.image.shape[3])
    if before[0] <= rows:
        return view
    size = (rows, round(rows * before[1] / before[0]))
    background = None if view.background is None else resize(view.background, size)
    return View(resize(view.image, size), resize_pose(view.pose, before, size), background)


def resize(
    image: Float[Tensor, "batch channels _ _"], size: tuple[int, int]
) -> Float[Tensor, "batch channels height width"]:
    """Resize bilinearly, with antialiasing when shrinking."""
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
    """Resize a field; its values stay in the same pixel units.

    Displacements are resized rather than positions: beyond the centres of the outermost pixels,
    interpolation would have to extrapolate positions.
    """
    before = (source_from_target.shape[2], source_from_target.shape[3])
    if before == size:
        return source_from_target
    ways = resize(source_from_target - own_places(before, source_from_target), size)
    scale = ways.new_tensor([before[1] / size[1], before[0] / size[0]])[:, None, None]
    return ways + (own_places(size, ways) + 0.5) * scale - 0.5
