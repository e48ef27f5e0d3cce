"""paint: generate whole images in other poses as uint8 pixels, for data sets."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.legs import complete_legs
from deformgan.models.blocks import Noise
from deformgan.models.generator import Encoded, Generator
from deformgan.models.layers import Layers, combine, resize, resize_pose
from deformgan.pair import View
from deformgan.pixels import to_bytes
from deformgan.pose import Pose
from deformgan.push_pull import fill_holes

_MOST_PADDING = 0.02  # of a length: below that, proportions differ by rounding only


@torch.inference_mode()
def encode(generator: Generator, source: View, scene: bool = True) -> Encoded:
    """Encode source photos on the generator's device, to be shared by all their target poses.

    Args:
        generator: In evaluation mode.
        source: See `paint`.
        scene: Whether the generator is to paint the scene as well, see `Generator.encode`.
    """
    device, pose = next(generator.parameters()).device, source.pose
    if generator.config.layers is not None:
        size = (source.image.shape[2], source.image.shape[3])
        pose = complete_legs(pose, generator.skeleton, size)
    return generator.encode(View(source.image.to(device), pose.to(device)), scene)


@torch.inference_mode()
def paint(
    generator: Generator,
    source: View | Encoded | Sequence[View],
    targets: Pose,
    size: tuple[int, int] | None = None,
    noise_seed: int | None = None,
    background: Float[Tensor, "_ 3 _ _"] | None = None,
) -> UInt8[Tensor, "batch 3 rows columns"]:
    """Generate whole images in other poses without framing, for data sets.

    Args:
        generator: In evaluation mode.
        source: Photos and poses, one per target or one for all. A generator without layers needs
            its own size, or what `encode` returned for them. For one with layers also several of
            these, other photos of the same people.
        targets: In pixels of images of `size`.
        size: Height and width of the pictures; by default the (first) photos'. Only a generator
            with layers can change it. Photos of other proportions are widened, smoothly.
        noise_seed: Keep dropout active, with noise from this seed.
        background: Background images of any size, one for all targets or one each. Without layers
            an input of background-conditioned weights; with layers, composited behind the person.

    Returns:
        RGB, on the CPU.
    """
    sources = [source] if isinstance(source, View | Encoded) else list(source)
    before = _photo_size(sources[0])
    size = size or before
    if generator.config.layers is None:
        if size != before:
            raise ValueError(f"without layers, pictures have the photos' size {before}, not {size}")
        if len(sources) != 1:
            raise ValueError(f"without layers, pictures have one source, not {len(sources)}")
        encoded = _encoded(generator, sources[0])
        device = encoded.image.device
        if background is not None:
            background = background.expand(len(targets), -1, -1, -1).to(device)
        noise = _noise(noise_seed, device)
        return to_bytes(generator(encoded, targets.to(device), noise, background)).cpu()
    fitted = [_fit(whole, size) for whole in sources]
    encoded = [_encoded(generator, one, background is None) for one in fitted]
    layers = paint_layers(generator, encoded, targets, size, noise_seed)
    if background is None:
        return to_bytes(layers.picture).cpu()
    scene = resize(background.to(layers.picture.device), size)
    return to_bytes(layers.over(scene)).cpu()


@torch.inference_mode()
def paint_layers(
    generator: Generator,
    sources: Sequence[View | Encoded],
    targets: Pose,
    size: tuple[int, int],
    noise_seed: int | None = None,
) -> Layers:
    """Generate the layers of people in other poses, from one or several photos of each.

    Legs that the lower edge of photo or picture cuts off are completed (see `complete_legs`): parts
    with a joint beyond it would be missing up to the edge.

    Args:
        generator: With layers, in evaluation mode.
        sources: Photos in the proportions of `size` and poses, or what `encode` returned for them;
            one per target or one for all.
        targets: In pixels of images of `size`.
        size: Height and width of the pictures.
        noise_seed: See `paint`.

    Returns:
        On the generator's device; of several photos, see `combine`.
    """
    targets = complete_legs(targets, generator.skeleton, size)
    painted = []
    for source in sources:
        encoded = _encoded(generator, source)
        device = encoded.photo.device
        asked = resize_pose(targets, size, _photo_size(encoded)).to(device)
        noise = _noise(noise_seed, device)
        painted.append(generator.layers(encoded, asked, size, noise=noise))
    return combine(painted)


def _encoded(generator: Generator, source: View | Encoded, scene: bool = True) -> Encoded:
    return source if isinstance(source, Encoded) else encode(generator, source, scene)


def _photo_size(source: View | Encoded) -> tuple[int, int]:
    photo = source.photo if isinstance(source, Encoded) else source.image
    return (photo.shape[2], photo.shape[3])


def _noise(seed: int | None, device: torch.device) -> Noise | None:
    return None if seed is None else Noise(torch.Generator(device).manual_seed(seed))


def _fit(source: View | Encoded, size: tuple[int, int]) -> View | Encoded:
    """Pad photos to the proportions of a size, and downscale them to at most its rows."""
    if isinstance(source, Encoded) or _photo_size(source) == size:
        return source
    source = _proportion(source, size)
    shown = _photo_size(source)
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
