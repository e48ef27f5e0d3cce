"""The nearest-neighbour loss, which tolerates small misalignments."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from deformgan.kernels import find_kernel

# For the original Oxford weights of VGG-19; see `Vgg19Features.level` for others.
NEAREST_NEIGHBOUR_LAYER = "conv1_2"
NEAREST_NEIGHBOUR_WEIGHT = 0.01

# Elements per block of differences: few enough for a CPU's cache, many enough to keep a GPU busy
# and to make the call overhead negligible.
_CPU_BLOCK = 2**20
_GPU_BLOCK = 2**25


def nearest_neighbour_loss(
    generated: Float[Tensor, "batch channels height width"],
    target: Float[Tensor, "batch channels height width"],
    window: int = 3,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*positions"]:
    """Compute the distance of each generated feature to the most similar target feature nearby.

    At every position, the loss is the smallest L1 distance over channels to any target position in
    a window around it. Positions outside the image never match. Only `generated` receives a
    gradient, averaged over the target positions that match equally well.

    The search runs without gradient in blocks of positions, so that memory does not grow with the
    window; the backward pass reads only the matches. On a GPU, a fused kernel computes the same
    (see `kernels`).

    Args:
        generated: Features of the generated image.
        target: Features of the true target, in which matches are searched.
        window: Odd side of the search window. The paper uses 3 for Market-1501, 5 for DeepFashion;
            1 compares position by position.
        reduction: Over positions and images: "mean", or the paper's "sum"; "none" returns the
            distance at every position, (batch, height, width).

    Returns:
        The loss, in float32 for half-precision features.

    Source:
        Siarohin et al., "Deformable GANs for Pose-based Human Image Generation", CVPR 2018. Their
        printed sum over positions is a mean here, as in their code, so that the weight (0.01) is
        independent of the image size.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be odd and positive, got {window}.")
    if generated.shape != target.shape:
        raise ValueError(
            f"generated and target must have the same shape,"
            f" got {tuple(generated.shape)} and {tuple(target.shape)}."
        )
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}.")
    fused = find_kernel("nearest_distance", generated, window)
    nearest = (fused or _NearestDistance.apply)(generated, target, window)
    if reduction == "none":
        return nearest.unflatten(1, generated.shape[2:])
    return nearest.mean() if reduction == "mean" else nearest.sum()


class _NearestDistance(torch.autograd.Function):
    """Distance of every position to its best match, (B, H * W)."""

    @staticmethod
    def forward(ctx, generated: Tensor, target: Tensor, window: int) -> Tensor:
        nearest, match, tied = _search(generated, target, window)
        ctx.window = window
        ctx.save_for_backward(generated, target, match, tied)
        return nearest

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None, None]:
        generated, target, match, tied = ctx.saved_tensors
        gradient = torch.empty_like(generated, memory_format=torch.contiguous_format)
        flat = gradient.flatten(2)
        here, there = generated.flatten(2), target.flatten(2)
        for images, part in _blocks(generated, copies=1):
            matches = match[images, None, part].expand(-1, generated.shape[1], -1)
            block = flat[images, :, part]
            # The derivative of |a - b| is sign(a - b), and 0 where they are equal.
            torch.sub(here[images, :, part], there[images].gather(2, matches), out=block)
            block.sign_().mul_(upstream[images, None, part])
        _share_among_ties(gradient, generated, target, upstream, tied, ctx.window)
        return gradient, None, None


def _search(generated: Tensor, target: Tensor, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """Find the best match of every position; positions are numbered in row-major order.

    Returns:
        Per image and position: the distance to the match, the position of the match, and whether
        other positions match equally well.
    """
    batch, channels, height, width = generated.shape
    positions, radius = height * width, window // 2
    device, dtype = generated.device, _working_dtype(generated)
    nearest, equals, step = torch.empty(3, batch, positions, device=device, dtype=dtype).unbind()

    steps = torch.arange(-radius, radius + 1, device=device)
    offsets = (steps[:, None] * width + steps).to(dtype).view(-1, 1)
    # Images are flattened here, so a horizontal offset can cross into the next row; such positions
    # get an infinite distance.
    columns = torch.arange(positions, device=device) % width + steps[:, None]
    outside = torch.zeros(window, positions, device=device, dtype=dtype)
    outside.masked_fill_((columns < 0) | (columns >= width), float("inf"))

    blocks = _blocks(generated, copies=window * window)
    images, part = blocks[0]
    count, length = images.stop - images.start, part.stop - part.start
    reach = radius * width + radius
    strip = torch.empty(count, channels, length + 2 * reach, device=device, dtype=dtype)
    # Views of the same memory at every offset: (images, C, dy, dx, positions).
    size = (count, channels, window, window, length)
    shifted = strip.as_strided(size, (*strip.stride()[:2], width, 1, 1))
    difference = torch.empty(size, device=device, dtype=dtype)
    for images, part in blocks:
        count, length = images.stop - images.start, part.stop - part.start
        _fill(strip[:count], target.flatten(2)[images], part.start - reach)
        here = _side_by_side(generated.flatten(2)[images, :, part], dtype)
        block = difference[:count, ..., :length]
        torch.sub(here[:, :, None, None], shifted[:count, ..., :length], out=block)
        distance = block.abs_().sum(dim=1).add_(outside[:, part]).flatten(1, 2)
        least = torch.amin(distance, dim=1, keepdim=True)
        nearest[images, part] = least.squeeze(1)
        best = (distance == least).to(dtype)  # (images, dy * dx, positions)
        torch.sum(best, dim=1, out=equals[images, part])
        torch.sum(best.mul_(offsets), dim=1, out=step[images, part])
    tied = equals > 1
    # The sum of several matches' offsets is meaningless; `_share_among_ties` handles them.
    step.masked_fill_(tied, 0)
    return nearest, step.long() + torch.arange(positions, device=device), tied


def _fill(strip: Tensor, line: Tensor, start: int) -> None:
    """Copy `line` from `start` on into `strip`, with infinity outside of `line`."""
    length, stop = line.shape[-1], start + strip.shape[-1]
    before, after = max(0, -start), max(0, stop - length)
    strip[..., :before] = float("inf")
    strip[..., strip.shape[-1] - after :] = float("inf")
    strip[..., before : strip.shape[-1] - after] = line[..., start + before : stop - after]


def _share_among_ties(
    gradient: Tensor,
    generated: Tensor,
    target: Tensor,
    upstream: Tensor,
    tied: Tensor,
    window: int,
) -> None:
    """Replace the gradient at tied positions by its mean over the tied matches."""
    channels, height, width = generated.shape[1:]
    dtype, radius = _working_dtype(generated), window // 2
    steps = torch.arange(-radius, radius + 1, device=generated.device)
    dy, dx = steps.repeat_interleave(window)[:, None], steps.repeat(window)[:, None]
    chunk = max(1, _block_size(generated) // (channels * window * window))
    for image, ties in enumerate(tied.nonzero()[:, 1].split(tied.sum(dim=1).tolist())):
        here, there = generated[image].flatten(1), target[image].flatten(1)
        for positions in ties.split(chunk) if len(ties) else ():
            row, column = positions // width + dy, positions % width + dx  # (window^2, ties)
            outside = (row < 0) | (row >= height) | (column < 0) | (column >= width)
            candidates = (row * width + column).masked_fill_(outside, 0)
            difference = there.index_select(1, candidates.flatten()).to(dtype)
            difference = difference.unflatten(1, candidates.shape)  # (C, window^2, ties)
            torch.sub(here.index_select(1, positions).unsqueeze(1), difference, out=difference)
            distance = difference.abs().sum(dim=0).masked_fill_(outside, float("inf"))
            best = (distance == distance.amin(dim=0)).to(dtype)
            best *= upstream[image, positions] / best.sum(dim=0)
            shared = difference.sign_().mul_(best).sum(dim=1)
            gradient[image].flatten(1).index_copy_(1, positions, shared.to(gradient.dtype))


def _blocks(features: Tensor, copies: int) -> list[tuple[slice, slice]]:
    """Split a batch into (images, positions) so that `copies` copies of the features fit a block.

    A block contains several images only if it contains each of them entirely.
    """
    batch, channels, height, width = features.shape
    fitting = max(1, _block_size(features) // (channels * copies))
    positions = min(height * width, fitting)
    images = max(1, min(batch, fitting // positions))
    return [
        (slice(i, min(i + images, batch)), slice(p, min(p + positions, height * width)))
        for i in range(0, batch, images)
        for p in range(0, height * width, positions)
    ]


def _block_size(tensor: Tensor) -> int:
    return _GPU_BLOCK if tensor.is_cuda else _CPU_BLOCK


def _working_dtype(features: Tensor) -> torch.dtype:
    # In half precision, sums over channels would tie by chance.
    return torch.promote_types(features.dtype, torch.float32)


def _side_by_side(features: Tensor, dtype: torch.dtype) -> Tensor:
    """Make pixels contiguous in memory, which speeds up the subtraction."""
    if features.stride(-1) == 1 and features.dtype == dtype:
        return features
    return features.to(dtype).contiguous()
