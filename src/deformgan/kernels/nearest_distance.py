"""The search of the nearest-neighbour loss as one Triton kernel per direction.

The forward pass holds the distances of some positions to all of their window in registers, and
keeps the matches of each position as the bits of one integer; the backward pass gathers those.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

# Per program; more would take all registers of a GPU.
_PIXELS = 64
_CHANNELS = 16


def nearest_distance(
    generated: Float[Tensor, "batch channels height width"],
    target: Float[Tensor, "batch channels height width"],
    window: int,
) -> Float[Tensor, "batch positions"]:
    """Compute the distance of every generated feature to the best target feature nearby, on a GPU.

    Args:
        generated: In any memory format.
        target: In any memory format; receives no gradient.
        window: Odd side of the search window.

    Returns:
        Distances in row-major order; in float64 for features in float64, otherwise in float32.
    """
    return _NearestDistance.apply(generated, target, window)


class _NearestDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx, generated, target, window):
        batch, channels, height, width = generated.shape
        dtype = torch.promote_types(generated.dtype, torch.float32)
        nearest = generated.new_empty(batch, height * width, dtype=dtype)
        wide = window * window > 31  # bits of an integer without its sign
        matches = torch.empty_like(nearest, dtype=torch.int64 if wide else torch.int32)
        # Triton launches on the current device, which need not be that of the tensors.
        with torch.cuda.device_of(generated):
            _match[triton.cdiv(height * width, _PIXELS), batch](
                generated,
                target,
                nearest,
                matches,
                channels,
                height,
                width,
                *generated.stride(),
                *target.stride(),
                WINDOW=window,
                OFFSETS=triton.next_power_of_2(window * window),
                PIXELS=_PIXELS,
                **_types(generated, matches),
            )
        ctx.window = window
        ctx.save_for_backward(generated, target, matches)
        return nearest

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        generated, target, matches = ctx.saved_tensors
        batch, channels, height, width = generated.shape
        gradient = torch.empty_like(generated)
        blocks = triton.cdiv(height * width, _PIXELS), triton.cdiv(channels, _CHANNELS), batch
        with torch.cuda.device_of(generated):
            _gradient[blocks](
                generated,
                target,
                matches,
                upstream.contiguous(),
                gradient,
                channels,
                height,
                width,
                *generated.stride(),
                *target.stride(),
                *gradient.stride(),
                WINDOW=ctx.window,
                PIXELS=_PIXELS,
                CHANNELS=_CHANNELS,
                **_types(generated, matches),
            )
        return gradient, None, None


def _types(features: Tensor, matches: Tensor) -> dict[str, object]:
    return {
        "REAL": tl.float64 if features.dtype == torch.float64 else tl.float32,
        "BITS": tl.int64 if matches.dtype == torch.int64 else tl.int32,
    }


@triton.jit
@no_type_check
def _match(
    generated,
    target,
    nearest,
    matches,
    channels,
    height,
    width,
    generated_b,
    generated_c,
    generated_h,
    generated_w,
    target_b,
    target_c,
    target_h,
    target_w,
    WINDOW: tl.constexpr,
    OFFSETS: tl.constexpr,
    PIXELS: tl.constexpr,
    REAL: tl.constexpr,
    BITS: tl.constexpr,
):
    image = tl.program_id(1).to(tl.int64)
    position = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    row, column, inside = position // width, position % width, position < height * width
    offset = tl.arange(0, OFFSETS)[:, None]
    row_there = row + offset // WINDOW - WINDOW // 2
    column_there = column + offset % WINDOW - WINDOW // 2
    found = inside & (offset < WINDOW * WINDOW) & (row_there >= 0) & (row_there < height)
    found &= (column_there >= 0) & (column_there < width)

    here = generated + image * generated_b + row * generated_h + column * generated_w
    there = target + image * target_b + row_there * target_h + column_there * target_w
    distance = tl.zeros([OFFSETS, PIXELS], REAL)
    for _ in range(channels):
        value = tl.load(here, inside, 0).to(REAL)
        distance += tl.abs(value - tl.load(there, found, 0).to(REAL))
        here += generated_c
        there += target_c
    distance = tl.where(found, distance, float("inf"))

    least = tl.min(distance, 0)
    undefined = tl.max((distance != distance).to(tl.int32), 0) != 0
    least = tl.where(undefined, float("nan"), least)
    bits = tl.full([1, 1], 1, BITS) << offset
    won = tl.sum(tl.where(found & (distance == least), bits, 0), 0)
    place = image * height * width + position
    tl.store(nearest + place, least, inside)
    tl.store(matches + place, won, inside)


@triton.jit
@no_type_check
def _gradient(
    generated,
    target,
    matches,
    upstream,
    gradient,
    channels,
    height,
    width,
    generated_b,
    generated_c,
    generated_h,
    generated_w,
    target_b,
    target_c,
    target_h,
    target_w,
    gradient_b,
    gradient_c,
    gradient_h,
    gradient_w,
    WINDOW: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    REAL: tl.constexpr,
    BITS: tl.constexpr,
):
    image = tl.program_id(2).to(tl.int64)
    position = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    row, column, inside = position // width, position % width, position < height * width
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[:, None]
    stored = inside & (channel < channels)
    place = image * height * width + position
    won = tl.load(matches + place, inside, 0).to(BITS)
    match = tl.zeros([PIXELS], tl.int32)
    ties = tl.zeros([PIXELS], tl.int32)
    for offset in range(WINDOW * WINDOW):
        hit = ((won >> offset) & 1).to(tl.int32)
        ties += hit
        match += hit * offset

    here = image * generated_b + channel * generated_c + row * generated_h + column * generated_w
    value = tl.load(generated + here, stored, 0).to(REAL)
    there = target + image * target_b + channel * target_c
    total = tl.zeros([CHANNELS, PIXELS], REAL)
    if tl.max(ties, 0) <= 1:
        row_there = row + match // WINDOW - WINDOW // 2
        column_there = column + match % WINDOW - WINDOW // 2
        matched = stored & (ties > 0)
        other = tl.load(there + row_there * target_h + column_there * target_w, matched, 0)
        total = tl.where(matched, _sign(value - other.to(REAL)), 0)
    else:
        for offset in range(WINDOW * WINDOW):
            matched = stored & (((won >> offset) & 1) != 0)
            row_there = row + offset // WINDOW - WINDOW // 2
            column_there = column + offset % WINDOW - WINDOW // 2
            other = tl.load(there + row_there * target_h + column_there * target_w, matched, 0)
            total += tl.where(matched, _sign(value - other.to(REAL)), 0)
    share = tl.load(upstream + place, inside, 0) / tl.maximum(ties, 1)
    here = image * gradient_b + channel * gradient_c + row * gradient_h + column * gradient_w
    tl.store(gradient + here, total * share, stored)


@triton.jit
@no_type_check
def _sign(difference):
    return (difference > 0).to(difference.dtype) - (difference < 0).to(difference.dtype)
