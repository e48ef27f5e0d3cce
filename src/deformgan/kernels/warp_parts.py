"""The deformable skip connection as one Triton kernel per direction.

A program computes a tile of pixels for some channels: it goes through the parts and samples those
whose mask is not empty in the tile, so that the work is proportional to the masks. Nothing is
stored per part: the forward pass keeps which parts win each value, as the bits of one integer.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

_TILE = (8, 16)  # pixels; limbs are compact: rows of pixels would meet more parts
_MOST_CHANNELS = 8  # per program; with 16 the backward pass takes all registers of a GPU


def warp_parts(
    features: Float[Tensor, "batch channels height width"],
    source_from_target: Float[Tensor, "batch parts 2 3"],
    masks: Bool[Tensor, "batch parts height width"] | Float[Tensor, "batch parts height width"],
    nearest: bool = False,
    average: bool = False,
) -> Float[Tensor, "batch channels height width"]:
    """Compute `deformable_skip.warp_parts` on a GPU.

    The gradients of a source pixel are added in an order that differs from run to run, as they are
    by PyTorch's own sampler on a GPU.

    Args:
        features: In any memory format, which the result keeps.
        source_from_target: Normalized, or for nearest sampling in pixels; in float64 for features
            in float64, otherwise in float32.
        masks: See `deformable_skip.warp_parts`.
        nearest: Sample the nearest pixel instead of bilinearly.
        average: Average the parts, weighted by their masks, instead of taking the maximum.
    """
    masks = masks.detach().contiguous()
    if masks.dtype == torch.bool:
        masks = masks.view(torch.uint8)
    return _WarpParts.apply(features, source_from_target.contiguous(), masks, nearest, average)


class _WarpParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, theta, masks, nearest, average):
        parts = masks.shape[1]
        warped = torch.empty_like(features)
        keep = (ctx.needs_input_grad[0] or ctx.needs_input_grad[1]) and not average
        winners = torch.empty_like(features, dtype=_bits(parts)) if keep else warped
        settings = {"NEAREST": nearest, "AVERAGE": average, "KEEP": keep, **_sizes(features)}
        # Triton launches on the current device, which need not be that of the tensors.
        with torch.cuda.device_of(features):
            _forward[_grid(features)](
                features,
                theta,
                *_centres(features, theta.dtype, nearest),
                masks,
                warped,
                winners,
                *features.shape[1:],
                parts,
                *features.stride(),
                *warped.stride(),
                BITS=tl.int64 if winners.dtype == torch.int64 else tl.int32,
                **settings,
            )
        ctx.save_for_backward(features, theta, masks, winners if keep else None)
        ctx.nearest, ctx.average = nearest, average
        return warped

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        features, theta, masks, winners = ctx.saved_tensors
        # Atomic additions need the precision and the speed of float32.
        precise = torch.promote_types(features.dtype, torch.float32)
        features_grad = torch.zeros_like(features, dtype=precise)
        theta_grad = torch.zeros_like(theta)
        moving = ctx.needs_input_grad[1] and not ctx.nearest
        marked = features if winners is None else winners
        with torch.cuda.device_of(features):
            _backward[_grid(features)](
                features,
                theta,
                *_centres(features, theta.dtype, ctx.nearest),
                masks,
                grad,
                marked,
                features_grad,
                theta_grad,
                *features.shape[1:],
                masks.shape[1],
                *features.stride(),
                *grad.stride(),
                *marked.stride(),
                *features_grad.stride(),
                NEAREST=ctx.nearest,
                AVERAGE=ctx.average,
                MOVING=moving,
                BITS=tl.int64 if marked.dtype == torch.int64 else tl.int32,
                **_sizes(features),
            )
        return features_grad.to(features.dtype), theta_grad if moving else None, None, None, None


def _bits(parts: int) -> torch.dtype:
    """Return the smallest integer with a bit for each part, one for "no part", and a sign."""
    return torch.int16 if parts <= 14 else torch.int32 if parts <= 30 else torch.int64


def _sizes(features: Tensor) -> dict[str, object]:
    return {
        "TILE_HEIGHT": _TILE[0],
        "TILE_WIDTH": _TILE[1],
        "CHANNELS": min(_MOST_CHANNELS, triton.next_power_of_2(features.shape[1])),
        "REAL": tl.float64 if features.dtype == torch.float64 else tl.float32,
        # Fused multiply-adds would round exact halves and equal maxima differently than PyTorch.
        "enable_fp_fusion": False,
    }


def _grid(features: Tensor) -> tuple[int, int, int]:
    batch, channels, height, width = features.shape
    tiles = triton.cdiv(height, _TILE[0]) * triton.cdiv(width, _TILE[1])
    return tiles, triton.cdiv(channels, _MOST_CHANNELS), batch


def _centres(features: Tensor, dtype: torch.dtype, nearest: bool) -> list[Tensor]:
    """Return x of every column and y of every row, in pixels for nearest sampling, or normalized.

    Computed by PyTorch, since Triton's division rounds differently.
    """
    sizes = features.shape[3], features.shape[2]
    places = [torch.arange(length, device=features.device, dtype=dtype) for length in sizes]
    return places if nearest else [(place * 2 + 1) / len(place) - 1 for place in places]


@triton.jit
@no_type_check
def _forward(
    features,
    theta,
    centres_x,
    centres_y,
    masks,
    warped,
    winners,
    channels,
    height,
    width,
    parts,
    features_b,
    features_c,
    features_h,
    features_w,
    warped_b,
    warped_c,
    warped_h,
    warped_w,
    NEAREST: tl.constexpr,
    AVERAGE: tl.constexpr,
    KEEP: tl.constexpr,
    TILE_HEIGHT: tl.constexpr,
    TILE_WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    REAL: tl.constexpr,
    BITS: tl.constexpr,
):
    image = tl.program_id(2).to(tl.int64)
    row, column, inside = _pixels(height, width, TILE_HEIGHT, TILE_WIDTH)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[:, None]
    stored = inside & (channel < channels)
    x = tl.load(centres_x + column, inside, 0)
    y = tl.load(centres_y + row, inside, 0)
    plane = features + image * features_b + channel * features_c

    # The maximum, or the sum, over parts; and the number, or the sum, of their masks.
    best = tl.zeros([CHANNELS, TILE_HEIGHT * TILE_WIDTH], REAL)
    if not AVERAGE:
        best -= float("inf")
    won = tl.zeros([CHANNELS, TILE_HEIGHT * TILE_WIDTH], BITS)
    weight = tl.zeros([TILE_HEIGHT * TILE_WIDTH], REAL)
    for part in range(parts):
        of_part = image * parts + part
        mask = tl.load(masks + of_part * height * width + row * width + column, inside, 0).to(REAL)
        if tl.max((mask != 0).to(tl.int32), 0) != 0:
            at_x, at_y = _source(theta + of_part * 6, x, y, height, width, NEAREST)
            sampled = (channel < channels) & (mask != 0)
            if NEAREST:
                column_of, row_of = at_x.to(tl.int32), at_y.to(tl.int32)
                value = _read(
                    plane, row_of, column_of, sampled, features_h, features_w, height, width, REAL
                )
            else:
                right, low = at_x - tl.floor(at_x), at_y - tl.floor(at_y)
                nw, ne, sw, se = _corners(
                    plane, at_x, at_y, sampled, features_h, features_w, height, width, REAL
                )
                value = nw * ((1 - low) * (1 - right)) + ne * ((1 - low) * right)
                value = value + sw * (low * (1 - right)) + se * (low * right)
            value *= mask
            if AVERAGE:
                best += value
                weight += mask
            else:
                bit = tl.full([1, 1], 1, BITS) << part
                won = tl.where(sampled & (value == best), won | bit, won)
                won = tl.where(sampled & (value > best), bit, won)
                best = tl.where(sampled, tl.maximum(best, value, tl.PropagateNan.ALL), best)
                weight += (mask != 0).to(REAL)
    if AVERAGE:
        best = best / tl.where(weight > 0, weight, 1)
    else:
        # Every masked-out part counts as 0.
        clipped = weight < parts
        bit = tl.full([1, 1], 1, BITS) << parts
        won = tl.where(clipped & (best == 0), won | bit, won)
        won = tl.where(clipped & (best < 0), bit, won)
        best = tl.where(clipped, tl.maximum(best, 0.0, tl.PropagateNan.ALL), best)
    place = image * warped_b + channel * warped_c + row * warped_h + column * warped_w
    tl.store(warped + place, best, stored)
    if KEEP:
        tl.store(winners + place, won, stored)


@triton.jit
@no_type_check
def _backward(
    features,
    theta,
    centres_x,
    centres_y,
    masks,
    grad,
    winners,
    features_grad,
    theta_grad,
    channels,
    height,
    width,
    parts,
    features_b,
    features_c,
    features_h,
    features_w,
    grad_b,
    grad_c,
    grad_h,
    grad_w,
    winners_b,
    winners_c,
    winners_h,
    winners_w,
    out_b,
    out_c,
    out_h,
    out_w,
    NEAREST: tl.constexpr,
    AVERAGE: tl.constexpr,
    MOVING: tl.constexpr,
    TILE_HEIGHT: tl.constexpr,
    TILE_WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    REAL: tl.constexpr,
    BITS: tl.constexpr,
):
    image = tl.program_id(2).to(tl.int64)
    row, column, inside = _pixels(height, width, TILE_HEIGHT, TILE_WIDTH)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[:, None]
    stored = inside & (channel < channels)
    x = tl.load(centres_x + column, inside, 0)
    y = tl.load(centres_y + row, inside, 0)
    plane = features + image * features_b + channel * features_c
    out = features_grad + image * out_b + channel * out_c
    upstream = tl.load(
        grad + image * grad_b + channel * grad_c + row * grad_h + column * grad_w, stored, 0
    ).to(REAL)
    won = tl.zeros([CHANNELS, TILE_HEIGHT * TILE_WIDTH], BITS)
    if not AVERAGE:
        place = image * winners_b + channel * winners_c + row * winners_h + column * winners_w
        won = tl.load(winners + place, stored, 0).to(BITS)

    # Equal maxima share the gradient; masked-out parts take their shares of it where 0 wins.
    weight = tl.zeros([TILE_HEIGHT * TILE_WIDTH], REAL)
    ties = tl.zeros([CHANNELS, TILE_HEIGHT * TILE_WIDTH], REAL)
    for part in range(parts):
        start = (image * parts + part) * height * width
        mask = tl.load(masks + start + row * width + column, inside, 0).to(REAL)
        if AVERAGE:
            weight += mask
        else:
            weight += (mask != 0).to(REAL)
            ties += ((won >> part) & 1).to(REAL)
    if AVERAGE:
        share = upstream / tl.where(weight > 0, weight, 1)
    else:
        ties += ((won >> parts) & 1).to(REAL) * (parts - weight)
        share = upstream / tl.maximum(ties, 1.0)

    for part in range(parts):
        of_part = image * parts + part
        mask = tl.load(masks + of_part * height * width + row * width + column, inside, 0).to(REAL)
        if tl.max((mask != 0).to(tl.int32), 0) != 0:
            at_x, at_y = _source(theta + of_part * 6, x, y, height, width, NEAREST)
            given = stored & (mask != 0)
            if not AVERAGE:
                given &= ((won >> part) & 1) != 0
            value = tl.where(given, share * mask, 0)
            if NEAREST:
                column_of, row_of = at_x.to(tl.int32), at_y.to(tl.int32)
                there = given & _within(row_of, column_of, height, width)
                tl.atomic_add(out + row_of * out_h + column_of * out_w, value, there, sem="relaxed")
            else:
                left, top = tl.floor(at_x), tl.floor(at_y)
                right, low = at_x - left, at_y - top  # the weights of the second column and row
                west, north = left.to(tl.int32), top.to(tl.int32)
                for south in tl.static_range(2):
                    for east in tl.static_range(2):
                        across = right if east else 1 - right
                        down = low if south else 1 - low
                        there = given & _within(north + south, west + east, height, width)
                        target = out + (north + south) * out_h + (west + east) * out_w
                        tl.atomic_add(target, value * (down * across), there, sem="relaxed")
                if MOVING:
                    nw, ne, sw, se = _corners(
                        plane, at_x, at_y, given, features_h, features_w, height, width, REAL
                    )
                    slope_x = (ne - nw) * (1 - low) + (se - sw) * low
                    slope_y = (sw - nw) * (1 - right) + (se - ne) * right
                    along_x = tl.sum(slope_x * value, 0) * (width * 0.5)
                    along_y = tl.sum(slope_y * value, 0) * (height * 0.5)
                    entry = theta_grad + of_part * 6
                    tl.atomic_add(entry, tl.sum(along_x * x, 0), sem="relaxed")
                    tl.atomic_add(entry + 1, tl.sum(along_x * y, 0), sem="relaxed")
                    tl.atomic_add(entry + 2, tl.sum(along_x, 0), sem="relaxed")
                    tl.atomic_add(entry + 3, tl.sum(along_y * x, 0), sem="relaxed")
                    tl.atomic_add(entry + 4, tl.sum(along_y * y, 0), sem="relaxed")
                    tl.atomic_add(entry + 5, tl.sum(along_y, 0), sem="relaxed")


@triton.jit
@no_type_check
def _pixels(height, width, TILE_HEIGHT: tl.constexpr, TILE_WIDTH: tl.constexpr):
    """Return row and column of the tile's pixels, and whether they are inside the image."""
    tile, across = tl.program_id(0), tl.cdiv(width, TILE_WIDTH)
    pixel = tl.arange(0, TILE_HEIGHT * TILE_WIDTH)
    row = (tile // across) * TILE_HEIGHT + pixel // TILE_WIDTH
    column = (tile % across) * TILE_WIDTH + pixel % TILE_WIDTH
    return row, column, (row < height) & (column < width)


@triton.jit
@no_type_check
def _source(theta, x, y, height, width, NEAREST: tl.constexpr):
    """Return where target positions are in the source, in pixels."""
    at_x = tl.load(theta) * x + tl.load(theta + 1) * y + tl.load(theta + 2)
    at_y = tl.load(theta + 3) * x + tl.load(theta + 4) * y + tl.load(theta + 5)
    if NEAREST:  # halves are rounded away from zero
        at_x = tl.where(at_x < 0, -1, 1) * tl.floor(tl.abs(at_x) + 0.5)
        at_y = tl.where(at_y < 0, -1, 1) * tl.floor(tl.abs(at_y) + 0.5)
    else:
        at_x = ((at_x + 1) * width - 1) * 0.5
        at_y = ((at_y + 1) * height - 1) * 0.5
    # Further outside nothing changes, but integers would overflow.
    at_x = tl.minimum(tl.maximum(at_x, -3.0), width + 2.0)
    at_y = tl.minimum(tl.maximum(at_y, -3.0), height + 2.0)
    return at_x, at_y


@triton.jit
@no_type_check
def _within(row, column, height, width):
    return (row >= 0) & (row < height) & (column >= 0) & (column < width)


@triton.jit
@no_type_check
def _read(plane, row, column, wanted, stride_h, stride_w, height, width, REAL: tl.constexpr):
    """Return features at whole pixels; 0 outside the image and where they are not wanted."""
    there = wanted & _within(row, column, height, width)
    return tl.load(plane + row * stride_h + column * stride_w, there, 0).to(REAL)


@triton.jit
@no_type_check
def _corners(plane, at_x, at_y, wanted, stride_h, stride_w, height, width, REAL: tl.constexpr):
    """Return the features at the four pixels around each position, row by row."""
    column, row = tl.floor(at_x).to(tl.int32), tl.floor(at_y).to(tl.int32)
    nw = _read(plane, row, column, wanted, stride_h, stride_w, height, width, REAL)
    ne = _read(plane, row, column + 1, wanted, stride_h, stride_w, height, width, REAL)
    sw = _read(plane, row + 1, column, wanted, stride_h, stride_w, height, width, REAL)
    se = _read(plane, row + 1, column + 1, wanted, stride_h, stride_w, height, width, REAL)
    return nw, ne, sw, se
