"""warp_parts, overlay_parts: the deformable skip connection, and the same for the photo itself."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

Interpolation = Literal["bilinear", "nearest"]
Aggregation = Literal["max", "average"]

_BILINEAR = (0, 0, False)  # grid_sampler's arguments: bilinear, zero padding, half-pixel frame
_OUTSIDE = -3.0  # normalized or in pixels, all neighbours of this coordinate are outside


@dataclass(frozen=True)
class _Entries:
    """Nonzero mask pixels, as one list per image, padded to the longest.

    Attributes:
        points: Sampling position of each entry in the source: normalized, or in pixels for nearest
            sampling.
        mask: Mask value of each entry; 0 for padding.
        pixel: Flat index of the target pixel of each entry.
        slots: For every pixel the index of its first, second, ... entry; the number of entries
            where there is none.
        covered: Number of parts that cover each pixel.
    """

    points: Float[Tensor, "batch entries 2"]
    mask: Float[Tensor, "batch entries"]
    pixel: Int[Tensor, "batch entries"]
    slots: Int[Tensor, "layers batch pixels"]
    covered: Int[Tensor, "batch pixels"]


def warp_parts(
    features: Float[Tensor, "batch channels height width"],
    source_from_target: Float[Tensor, "batch parts 2 3"],
    masks: Bool[Tensor, "batch parts height width"] | Float[Tensor, "batch parts height width"],
    interpolation: Interpolation = "bilinear",
    aggregation: Aggregation = "max",
) -> Float[Tensor, "batch channels height width"]:
    """Warp every body part of a source feature map into the target pose.

    Each part is warped by its own transform and cut out by its own mask; where parts overlap, the
    strongest response wins. Only pixels inside a mask are sampled: the cost is about one and a half
    warps for a person's ten parts, without a copy of the features per part.

    Args:
        features: Features of the source image.
        source_from_target: One transform per part, normalized (see `affine.normalize`).
        masks: Mask of each part in the target pose, in [0, 1]; receives no gradient. Must be zero
            for a part that is missing in either pose.
        interpolation: How features are sampled between pixels; outside the image they are zero.
        aggregation: "max": a masked-out part counts as 0, so negative responses are clipped
            wherever any mask is empty. "average": the mean weighted by the masks, 0 where no part
            is.

    Returns:
        Features aligned with the target pose. Equal maxima share their gradient.

    Source:
        Section 3 (deformable skip connections); mask after warp, maximum and average as in the
        authors' code, whose nearest sampling is an option here.
    """
    if aggregation not in ("max", "average"):
        raise ValueError(f"aggregation must be max or average, got {aggregation!r}.")
    if interpolation not in ("bilinear", "nearest"):
        raise ValueError(f"interpolation must be bilinear or nearest, got {interpolation!r}.")
    # Coordinates need more than the 8 bits of bfloat16, and sampling requires equal dtypes.
    dtype = torch.promote_types(features.dtype, torch.float32)
    with torch.autocast(features.device.type, enabled=False):
        entries = _list_entries(source_from_target, masks, dtype, interpolation)
        if aggregation == "average":
            return _average(features.to(dtype), entries, interpolation).to(features.dtype)
        warped = _Maximum.apply(
            features.to(dtype),
            entries.points,
            entries.mask,
            entries.pixel,
            entries.slots,
            entries.covered,
            masks.shape[1],
            interpolation,
        )
    return warped.to(features.dtype)


def _list_entries(
    source_from_target: Tensor, masks: Tensor, dtype: torch.dtype, interpolation: Interpolation
) -> _Entries:
    batch, _, height, width = masks.shape
    device = masks.device
    flat = masks.detach().flatten(2)  # (B, P, H*W)
    covers = flat != 0
    image, place = covers.flatten(1).nonzero(as_tuple=True)
    counts = covers.flatten(1).sum(dim=1)
    longest = int(counts.max())
    column = torch.arange(len(image), device=device) - (counts.cumsum(0) - counts)[image]
    # (B, N) lists; padding entries have part 0, pixel 0 and mask 0, and sample outside.
    entry_place = torch.zeros(batch, longest, dtype=torch.int64, device=device)
    entry_place[image, column] = place
    real = torch.arange(longest, device=device) < counts[:, None]
    part, pixel = entry_place // (height * width), entry_place % (height * width)

    rank = covers.cumsum(dim=1, dtype=torch.int32) - 1  # (B, P, H*W)
    covered = rank[:, -1] + 1
    layers = int(covered.max()) if longest else 0
    slots = torch.full((layers, batch, height * width), longest, dtype=torch.int64, device=device)
    slots[rank.flatten(1)[image, place].long(), image, place % (height * width)] = column

    if interpolation == "nearest":
        theta = _pixel_transforms(source_from_target, height, width)
        x, y = (pixel % width).float(), (pixel // width).float()
    else:
        theta = source_from_target.to(dtype)
        x = ((pixel % width).to(dtype) * 2 + 1) / width - 1
        y = ((pixel // width).to(dtype) * 2 + 1) / height - 1
    theta = theta.gather(1, part[..., None, None].expand(-1, -1, 2, 3))
    points = theta[..., 0] * x[..., None] + theta[..., 1] * y[..., None] + theta[..., 2]
    points = torch.where(real[..., None], points, _OUTSIDE)
    mask = flat.to(dtype).flatten(1).gather(1, entry_place) * real
    return _Entries(points, mask, pixel, slots, covered)


def _average(features: Tensor, entries: _Entries, interpolation: Interpolation) -> Tensor:
    if interpolation == "nearest":
        index, inside = _nearest_pixels(entries.points, features.shape[2], features.shape[3])
        index = index[:, None].expand(-1, features.shape[1], -1)
        values = features.flatten(2).gather(2, index) * inside[:, None]
    else:
        values = F.grid_sample(features, entries.points[:, None], align_corners=False)[:, :, 0]
    total = features.new_zeros(features.flatten(2).shape)
    weight = features.new_zeros(total[:, :1].shape)
    pixel = entries.pixel[:, None]
    total = total.scatter_add(2, pixel.expand_as(values), values * entries.mask[:, None])
    weight = weight.scatter_add(2, pixel, entries.mask[:, None])
    return (total / torch.where(weight > 0, weight, 1)).view_as(features)


def _pixel_transforms(
    source_from_target: Float[Tensor, "batch parts 2 3"], height: int, width: int
) -> Float[Tensor, "batch parts 2 3"]:
    """Convert normalized transforms to float32 transforms between pixels of a feature map.

    Nearest sampling is sensitive at exact halves, where integer joints place many points. Rounding
    the coefficients to float32 removes the error of the fit and the change of frames, and matches
    the precision of the authors' sampler.
    """
    half = source_from_target.new_tensor([width, height]) / 2
    linear = source_from_target[..., :2] * half[:, None] / half
    middle = half - 0.5  # pixel = half * normalized + middle
    offset = source_from_target[..., 2] * half + middle - linear @ middle
    return torch.cat([linear, offset[..., None]], dim=-1).float()


def _nearest_pixels(
    points: Float[Tensor, "batch entries 2"], height: int, width: int
) -> tuple[Int[Tensor, "batch entries"], Bool[Tensor, "batch entries"]]:
    """Return the flat index of the pixel nearest to each point (x, y), and whether it is inside.

    Halves are rounded away from zero, as in the authors' sampler; torch rounds them to even.
    """
    place = points.sign() * (points.abs() + 0.5).floor()
    inside = ((place >= 0) & (place < points.new_tensor([width, height]))).all(dim=-1)
    x, y = (place * inside[..., None]).long().unbind(dim=-1)
    return y * width + x, inside


class _Maximum(torch.autograd.Function):
    """Sampling of all entries in one pass, with the maximum per pixel.

    The gradient is written by hand because chained maxima would not share it evenly among equal
    responses, and because autograd would keep every intermediate.
    """

    @staticmethod
    def forward(ctx, features, points, mask, pixel, slots, covered, parts, interpolation):
        if interpolation == "nearest":
            index, inside = _nearest_pixels(points, features.shape[2], features.shape[3])
            index = index[:, None].expand(-1, features.shape[1], -1)
            values = features.flatten(2).gather(2, index).mul_((mask * inside)[:, None])
        else:
            values = torch.grid_sampler_2d(features, points[:, None], *_BILINEAR)[:, :, 0]
            values.mul_(mask[:, None])
        # Index `entries` means "no such part here", a masked-out part: 0.
        padded = F.pad(values, (0, 1))
        del values  # saves memory at full resolution
        empty = torch.where(covered < parts, 0.0, -torch.inf).to(features.dtype)
        strongest = empty[:, None].repeat(1, features.shape[1], 1)
        for slot in slots:
            layer = padded.gather(2, slot[:, None].expand_as(strongest))
            torch.maximum(strongest, layer, out=strongest)
            del layer
        if features.requires_grad or points.requires_grad:
            ctx.save_for_backward(features, points, mask, pixel, slots, covered, padded, strongest)
        ctx.parts, ctx.interpolation = parts, interpolation
        return strongest.reshape(features.shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        features, points, mask, pixel, slots, covered, padded, strongest = ctx.saved_tensors
        # Number of parts that attain the maximum; masked-out parts do where it is 0.
        ties = (strongest == 0) * (ctx.parts - covered)[:, None].to(grad.dtype)
        for number, slot in enumerate(slots):
            layer = padded.gather(2, slot[:, None].expand_as(strongest))
            ties += (layer == strongest) & (covered > number)[:, None]
        shared = torch.div(grad.flatten(2), ties, out=ties)
        index = pixel[:, None].expand(-1, features.shape[1], -1)
        loses = padded[..., :-1] != strongest.gather(2, index)
        entry_grad = shared.gather(2, index).masked_fill_(loses, 0).mul_(mask[:, None])
        del shared, ties, loses
        constants = (None,) * 6
        if ctx.interpolation == "nearest":
            index, inside = _nearest_pixels(points, features.shape[2], features.shape[3])
            index = index[:, None].expand(-1, features.shape[1], -1)
            flat = torch.zeros_like(strongest).scatter_add_(2, index, entry_grad * inside[:, None])
            return flat.view_as(features), None, *constants
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1]]
        features_grad, points_grad = torch.ops.aten.grid_sampler_2d_backward(
            entry_grad[:, :, None], features, points[:, None], *_BILINEAR, wanted
        )
        return features_grad, points_grad[:, 0] if wanted[1] else None, *constants


def overlay_parts(
    image: Float[Tensor, "batch channels height width"],
    source_from_target: Float[Tensor, "batch parts 2 3"],
    masks: Bool[Tensor, "batch parts height width"],
) -> tuple[Float[Tensor, "batch channels height width"], Float[Tensor, "batch 1 height width"]]:
    """Warp every body part of the source photo into the target pose, later parts on top.

    Args:
        image: The source photo.
        source_from_target: One transform per part, normalized.
        masks: Mask of each part in the target pose; empty for a part without a transform.

    Returns:
        The photo in the target pose, 0 where unknown; and a mask, 1 where known.

    Source:
        Ours, not the paper's: lets texture bypass the feature levels.
    """
    parts, height, width = masks.shape[1:]
    order = torch.arange(1, parts + 1, device=masks.device)[:, None, None]
    top = (masks * order).amax(dim=1)  # (B, H, W): 0 where no part is
    theta = source_from_target.to(image.dtype).gather(
        1, (top - 1).clamp(min=0).flatten(1)[..., None, None].expand(-1, -1, 2, 3)
    )
    x = (torch.arange(width, device=image.device, dtype=image.dtype) * 2 + 1) / width - 1
    y = (torch.arange(height, device=image.device, dtype=image.dtype) * 2 + 1) / height - 1
    centre = torch.cartesian_prod(y, x).flip(-1)  # (H*W, 2)
    points = theta[..., 0] * centre[:, :1] + theta[..., 1] * centre[:, 1:] + theta[..., 2]
    points = torch.where(top.flatten(1)[..., None] > 0, points, _OUTSIDE)
    grid = points.unflatten(1, (height, width))
    known = (grid.abs() <= 1).all(dim=-1)[:, None].to(image.dtype)
    return F.grid_sample(image, grid, align_corners=False) * known, known


def warp_densely(
    features: Float[Tensor, "batch channels height width"],
    source_from_target: Float[Tensor, "batch parts 2 3"],
    masks: Bool[Tensor, "batch parts height width"],
    aggregation: Aggregation = "max",
) -> Float[Tensor, "batch channels height width"]:
    """Warp every part everywhere, as `warp_parts` does with bilinear sampling, in known shapes.

    Ten times the sampling, but the same operations for every pose: for exported graphs.

    Args:
        features: See `warp_parts`, as for the other arguments.
        source_from_target: See `warp_parts`.
        masks: See `warp_parts`.
        aggregation: See `warp_parts`.
    """
    batch, parts, height, width = masks.shape
    like = source_from_target
    x = (torch.arange(width, dtype=like.dtype, device=like.device) * 2 + 1) / width - 1
    y = (torch.arange(height, dtype=like.dtype, device=like.device) * 2 + 1) / height - 1
    x, y = torch.broadcast_tensors(x, y[:, None])
    centres = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    points = source_from_target @ centres  # (B, P, 2, H*W)
    # Outside a mask the sample is 0, as a masked-out part counts.
    points = torch.where(masks.flatten(2)[:, :, None], points, _OUTSIDE)
    # Parts below each other in one image: no part needs its own copy of the features.
    grid = points.mT.reshape(batch, parts * height, width, 2)
    warped = F.grid_sample(features, grid, align_corners=False).unflatten(2, (parts, height))
    if aggregation == "max":
        return warped.amax(dim=2)
    covered = masks.sum(dim=1, keepdim=True)
    return warped.sum(dim=2) / covered.clamp(min=1)
