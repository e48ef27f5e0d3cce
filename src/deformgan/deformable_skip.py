"""warp_parts, overlay_parts: the deformable skip connection, and the same for the photo itself."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from deformgan.kernels import find_kernel

Interpolation = Literal["bilinear", "nearest"]
Aggregation = Literal["max", "average"]

# Elements per chunk of rows: few enough for a CPU's cache, many enough to keep a GPU busy.
_CPU_BLOCK = 2**17
_GPU_BLOCK = 2**25
_OUTSIDE = -3.0  # normalized or in pixels, all neighbours of this coordinate are outside


@dataclass(frozen=True)
class _Entries:
    """Nonzero mask pixels of a batch, as one list; pixels are numbered over the whole batch.

    Attributes:
        pixel: Target pixel of each entry.
        layers: Entries that are the first, second, ... of their pixel.
        mask: Mask value of each entry.
        covered: Number of parts that cover each pixel.
        corners: Source pixels around the sampling position of each entry: four, or the nearest.
        shares: What each corner contributes; 0 outside the image.
    """

    pixel: Int[Tensor, "entries"]
    layers: list[Int[Tensor, "_"]]
    mask: Float[Tensor, "entries"]
    covered: Int[Tensor, "pixels"]
    corners: Int[Tensor, "entries corners"]
    shares: Float[Tensor, "entries corners"]


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
    warps for a person's ten parts, without a copy of the features per part. On a GPU, a fused
    kernel computes the same (see `kernels`).

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
        if fused := find_kernel("warp_parts", features, masks.shape[1]):
            nearest = interpolation == "nearest"
            if nearest:
                theta = _pixel_transforms(source_from_target, *features.shape[2:])
            else:
                theta = source_from_target.to(dtype)
            return fused(features, theta, masks, nearest, aggregation == "average")
        entries = _list_entries(source_from_target, masks, dtype, interpolation)
        weights = entries.shares * entries.mask[:, None]
        sampled = _Sample.apply(_rows(features.to(dtype)), entries.corners, weights)
        if aggregation == "average":
            rows = _average(sampled, entries)
        else:
            rows = _Maximum.apply(
                sampled, entries.pixel, entries.layers, entries.covered, masks.shape[1]
            )
        return _image(rows, features).to(features.dtype)


def _rows(
    features: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "pixels channels"]:
    """Make the channels of every pixel contiguous, so that whole rows are read and added."""
    if features.is_contiguous(memory_format=torch.channels_last):
        return features.permute(0, 2, 3, 1).flatten(0, 2)
    return _Transpose.apply(features.flatten(2)).flatten(0, 1)


def _image(
    rows: Float[Tensor, "pixels channels"], like: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, "batch channels height width"]:
    """Undo `_rows`, in the memory format of the features."""
    if like.is_contiguous(memory_format=torch.channels_last):
        return rows.unflatten(0, (len(like), *like.shape[2:])).permute(0, 3, 1, 2)
    return _Transpose.apply(rows.unflatten(0, (len(like), -1))).view(like.shape)


class _Transpose(torch.autograd.Function):
    """Transpose the matrices of a batch in memory, one by one, for which torch has fast code."""

    @staticmethod
    def forward(ctx, matrices):
        return _transpose(matrices)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return _transpose(grad)


def _transpose(
    matrices: Float[Tensor, "batch rows columns"],
) -> Float[Tensor, "batch columns rows"]:
    batch, rows, columns = matrices.shape
    transposed = matrices.new_empty(batch, columns, rows)
    for matrix, copy in zip(matrices, transposed, strict=True):
        copy.copy_(matrix.T)
    return transposed


def _list_entries(
    source_from_target: Tensor, masks: Tensor, dtype: torch.dtype, interpolation: Interpolation
) -> _Entries:
    parts, height, width = masks.shape[1:]
    flat = masks.detach().transpose(0, 1).flatten(2)  # (P, B, H*W)
    covers = flat != 0
    part, image, place = covers.nonzero(as_tuple=True)
    rank = covers.cumsum(dim=0, dtype=torch.int32)
    of_entry = rank[part, image, place]
    layers = int(of_entry.max()) if len(part) else 0
    theta = source_from_target
    if interpolation == "nearest":
        theta = _pixel_transforms(theta, height, width)
        x, y = (place % width).float(), (place // width).float()
    else:
        theta = theta.to(dtype)
        x = ((place % width).to(dtype) * 2 + 1) / width - 1
        y = ((place // width).to(dtype) * 2 + 1) / height - 1
    theta = theta.flatten(0, 1).index_select(0, image * parts + part)  # (entries, 2, 3)
    at = theta[..., 0] * x[:, None] + theta[..., 1] * y[:, None] + theta[..., 2]
    sample = _nearest_pixels if interpolation == "nearest" else _four_pixels
    corners, shares = sample(at, height, width)
    return _Entries(
        pixel=image * (height * width) + place,
        layers=[(of_entry == number).nonzero()[:, 0] for number in range(1, layers + 1)],
        mask=flat[part, image, place].to(dtype),
        covered=rank[-1].flatten(),
        corners=(corners + image[:, None] * (height * width)).int(),
        shares=shares.to(dtype),
    )


def _four_pixels(
    points: Float[Tensor, "entries 2"], height: int, width: int
) -> tuple[Int[Tensor, "entries 4"], Float[Tensor, "entries 4"]]:
    """Return the pixels around normalized points and their shares, as `grid_sample` does."""
    size = points.new_tensor([width, height])
    # Further outside nothing changes, but integers would overflow.
    place = (((points + 1) * size - 1) / 2).clamp(_OUTSIDE, max(height, width) + 2)
    corner = place.detach().floor()
    east, south = (place - corner).unbind(dim=1)
    north, west = 1 - south, 1 - east
    shares = torch.stack([north * west, north * east, south * west, south * east], dim=1)
    x, y = corner.long().unbind(dim=1)
    x, y = torch.stack([x, x + 1, x, x + 1], dim=1), torch.stack([y, y, y + 1, y + 1], dim=1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return (y * width + x) * inside, shares * inside


def _nearest_pixels(
    points: Float[Tensor, "entries 2"], height: int, width: int
) -> tuple[Int[Tensor, "entries 1"], Float[Tensor, "entries 1"]]:
    """Return the pixel nearest to each point (x, y) in pixels, and 1, or 0 outside the image.

    Halves are rounded away from zero, as in the authors' sampler; torch rounds them to even.
    """
    place = points.detach().sign() * (points.detach().abs() + 0.5).floor()
    inside = ((place >= 0) & (place < points.new_tensor([width, height]))).all(dim=1)
    x, y = (place * inside[:, None]).long().unbind(dim=1)
    return (y * width + x)[:, None], inside[:, None].to(points.dtype)


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


def _average(
    sampled: Float[Tensor, "entries channels"], entries: _Entries
) -> Float[Tensor, "pixels channels"]:
    pixels = len(entries.covered)
    total = sampled.new_zeros(pixels, sampled.shape[1]).index_add(0, entries.pixel, sampled)
    weight = sampled.new_zeros(pixels).index_add(0, entries.pixel, entries.mask)
    return total / torch.where(weight > 0, weight, 1)[:, None]


def _chunks(entries: int, rows: Tensor) -> list[slice]:
    """Split a list of entries so that their rows fit a cache, and no second copy is needed."""
    size = max(1, (_GPU_BLOCK if rows.is_cuda else _CPU_BLOCK) // rows.shape[1])
    return [slice(first, first + size) for first in range(0, entries, size)]


class _Sample(torch.autograd.Function):
    """Weighted sums of rows.

    The gradient is written by hand because that of `embedding_bag` sorts all indices.
    """

    @staticmethod
    def forward(ctx, rows, corners, weights):
        ctx.save_for_backward(corners, weights, rows if ctx.needs_input_grad[2] else None)
        ctx.pixels = len(rows)
        return F.embedding_bag(corners, rows, per_sample_weights=weights, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        corners, weights, rows = ctx.saved_tensors
        rows_grad = grad.new_zeros(ctx.pixels, grad.shape[1])
        weights_grad = None if rows is None else torch.empty_like(weights)
        for chunk in _chunks(len(corners), grad):
            for corner in range(corners.shape[1]):
                index = corners[chunk, corner]
                share = grad[chunk] * weights[chunk, corner, None]
                rows_grad.index_add_(0, index, share)
                if weights_grad is not None:
                    product = rows.index_select(0, index).mul_(grad[chunk])
                    torch.sum(product, dim=1, out=weights_grad[chunk, corner])
        return rows_grad, None, weights_grad


class _Maximum(torch.autograd.Function):
    """Maximum of the entries of every pixel.

    The gradient is written by hand because chained maxima would not share it evenly among equal
    responses, and because autograd would keep every intermediate.
    """

    @staticmethod
    def forward(ctx, sampled, pixel, layers, covered, parts):
        # A masked-out part counts as 0.
        empty = torch.where(covered < parts, 0.0, -torch.inf).to(sampled.dtype)
        strongest = empty[:, None].repeat(1, sampled.shape[1])
        for layer in layers:
            for chunk in _chunks(len(layer), sampled):
                entries = layer[chunk]
                pixels = pixel.index_select(0, entries)
                values = sampled.index_select(0, entries)
                torch.maximum(values, strongest.index_select(0, pixels), out=values)
                strongest.index_copy_(0, pixels, values)
        ctx.save_for_backward(sampled, pixel, covered, strongest)
        ctx.parts = parts
        return strongest

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        sampled, pixel, covered, strongest = ctx.saved_tensors
        # Number of parts that attain the maximum; masked-out parts do where it is 0.
        ties = (strongest == 0) * (ctx.parts - covered)[:, None].to(grad.dtype)
        chunks = _chunks(len(pixel), sampled)
        for chunk in chunks:
            wins = strongest.index_select(0, pixel[chunk]).eq_(sampled[chunk])  # 1 or 0
            ties.index_add_(0, pixel[chunk], wins)
        shared = torch.div(grad, ties, out=ties)
        sampled_grad = torch.empty_like(sampled)
        for chunk in chunks:
            wins = strongest.index_select(0, pixel[chunk]).eq_(sampled[chunk])
            torch.mul(shared.index_select(0, pixel[chunk]), wins, out=sampled_grad[chunk])
        return sampled_grad, None, None, None, None


def _centres(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return normalized x of every column and y of every row."""
    x, y = (
        (torch.arange(length, dtype=like.dtype, device=like.device) * 2 + 1) / length - 1
        for length in (width, height)
    )
    return x, y


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
    x, y = _centres(height, width, image)
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
    x, y = _centres(height, width, source_from_target)
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
