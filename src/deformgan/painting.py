"""paint: generate whole images in other poses as uint8 pixels, for data sets."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.datasets.backgrounds import fill_holes
from deformgan.models.blocks import Noise
from deformgan.models.generator import Generator
from deformgan.models.layers import Layers, combine, resize, resize_pose
from deformgan.pair import View
from deformgan.pixels import to_bytes
from deformgan.pose import Pose

_MOST_PADDING = 0.02  # of a length: below that, proportions differ by rounding only


@torch.inference_mode()
def paint(
    generator: Generator,
    source: View | Sequence[View],
    targets: Pose,
    size: tuple[int, int] | None = None,
    noise_seed: int | None = None,
    background: Float[Tensor, "_ 3 _ _"] | None = None,
) -> UInt8[Tensor, "batch 3 rows columns"]:
    """Generate whole images in other poses without framing, for data sets.

    Args:
        generator: In evaluation mode.
        source: Photos and poses, one per target or one for all. A generator without layers needs
            its own size. For one with layers also several of these, other photos of the same
            people.
        targets: In pixels of images of `size`.
        size: Height and width of the pictures; by default the (first) photos'. Only a generator
            with layers can change it. Photos of other proportions are widened, smoothly.
        noise_seed: Keep dropout active, with noise from this seed.
        background: Background images of any size, one for all targets or one each. Without layers
            an input of background-conditioned weights; with layers, composited behind the person.

    Returns:
        RGB, on the CPU.
    """
    sources = [source] if isinstance(source, View) else list(source)
    before = (sources[0].image.shape[2], sources[0].image.shape[3])
    size = size or before
    if generator.config.layers is None:
        if size != before:
            raise ValueError(f"without layers, pictures have the photos' size {before}, not {size}")
        if len(sources) != 1:
            raise ValueError(f"without layers, pictures have one source, not {len(sources)}")
        view, targets, noise = _to_device(generator, sources[0], targets, noise_seed)
        if background is not None:
            background = background.expand(len(targets), -1, -1, -1).to(view.image.device)
        return to_bytes(generator(view, targets, noise, background)).cpu()
    fitted = [_fit(whole, size) for whole in sources]
    layers = paint_layers(generator, fitted, targets, size, noise_seed)
    if background is None:
        return to_bytes(layers.picture).cpu()
    scene = resize(background.to(layers.picture.device), size)
    return to_bytes(layers.over(scene)).cpu()


@torch.inference_mode()
def paint_layers(
    generator: Generator,
    sources: Sequence[View],
    targets: Pose,
    size: tuple[int, int],
    noise_seed: int | None = None,
) -> Layers:
    """Generate the layers of people in other poses, from one or several photos of each.

    Args:
        generator: With layers, in evaluation mode.
        sources: Photos in the proportions of `size`, and poses; one per target or one for all.
        targets: In pixels of images of `size`.
        size: Height and width of the pictures.
        noise_seed: See `paint`.

    Returns:
        On the generator's device; of several photos, see `combine`.
    """
    painted = []
    for source in sources:
        shown = (source.image.shape[2], source.image.shape[3])
        asked = resize_pose(targets, size, shown)
        view, asked, noise = _to_device(generator, source, asked, noise_seed)
        painted.append(generator.layers(view, asked, size, noise=noise))
    return combine(painted)


def _fit(source: View, size: tuple[int, int]) -> View:
    """Pad photos to the proportions of a size, and downscale them to at most its rows."""
    if (source.image.shape[2], source.image.shape[3]) == size:
        return source
    source = _proportion(source, size)
    shown = (source.image.shape[2], source.image.shape[3])
    if shown[0] > size[0]:
        return View(resize(source.image, size), resize_pose(source.pose, shown, size))
    return source


def _proportion(source: View, size: tuple[int, int]) -> View:
    """Pad photos to the proportions of a size on both sides, without cropping."""
    height, width = source.image.shape[2], source.image.shape[3]
    high, wide = (
        max(height, round(width * size[0] / size[1])),
        max(width, round(height * size[1] / size[0])),
    )
    if high - height <= _MOST_PADDING * height and wide - width <= _MOST_PADDING * width:
        return source
    top, left = (high - height) // 2, (wide - width) // 2
    image = source.image.new_zeros(len(source.image), 3, high, wide)
    hole = torch.ones(len(image), high, wide, dtype=torch.bool, device=image.device)
    image[..., top : top + height, left : left + width] = source.image
    hole[:, top : top + height, left : left + width] = False
    moved = source.pose.joints + source.pose.joints.new_tensor([left, top])
    return View(fill_holes(image, hole), Pose(moved, source.pose.visible))


def _to_device(
    generator: Generator, source: View, targets: Pose, noise_seed: int | None
) -> tuple[View, Pose, Noise | None]:
    """Move the inputs to the generator's device, with the source repeated per target."""
    device = next(generator.parameters()).device
    noise = None
    if noise_seed is not None:
        noise = Noise(torch.Generator(device).manual_seed(noise_seed))
    image, pose = source.image, source.pose
    if len(image) != len(targets):
        image, pose = image.expand(len(targets), -1, -1, -1), Pose.cat([pose] * len(targets))
    return View(image.to(device), pose.to(device)), targets.to(device), noise
