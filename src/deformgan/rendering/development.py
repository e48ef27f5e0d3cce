"""develop: turn rendered radiance into a camera's picture."""

import numpy as np

from deformgan.rendering.compiled import compiled
from deformgan.rendering.materials import linear
from deformgan.rendering.scene import Light


def develop(image: np.ndarray, light: Light, seed: int, size: tuple[int, int]) -> np.ndarray:
    """Apply lens blur, exposure, haze, tone curve and noise.

    Args:
        image: (height, width, 3) linear radiance.
        light: Exposure and degradation by the camera.
        seed: Random seed for the noise.
        size: Height and width; effects in pixels scale with the height.

    Returns:
        (height, width, 3) in [0, 1], with gamma.
    """
    random = np.random.default_rng([seed, 3])
    image = blur(image, light.blur * size[0] / 128)
    image = image * light.exposure * np.array(light.cast)
    image = image * (1 - light.haze) + linear((0.7, 0.72, 0.74)) * light.haze
    bright = (image * 1.05).clip(0) ** (1 / 2.2)
    bright = 0.5 + (bright - 0.5) * light.contrast
    # Cameras lift the shadows: real pictures hardly ever contain black.
    bright = np.where(bright < 0.15, 0.15 * np.exp((bright - 0.15) / 0.22), bright)
    grey = bright @ np.array([0.299, 0.587, 0.114])
    bright = grey[..., None] + (bright - grey[..., None]) * light.saturation
    if light.edges > 0:
        bright = bright + light.edges * (bright - blur(bright, 1.1 * size[0] / 128))
    # A soft shoulder instead of clipped white.
    bright = np.where(bright > 0.8, 0.8 + 0.2 * np.tanh((bright - 0.8) / 0.2), bright)
    grain = random.normal(0, light.noise, (*size, 1)) + random.normal(
        0, light.noise / 2, (*size, 3)
    )
    return (bright + grain).clip(0, 1)


def shrink(image: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of `factor` x `factor` pixels of an image (height, width, ...)."""
    channels = np.ascontiguousarray(image.reshape(*image.shape[:2], -1), dtype=np.float64)
    shrunk = _means(channels, factor)
    return shrunk.reshape(*shrunk.shape[:2], *image.shape[2:])


@compiled
def _means(image, factor):
    height, width = image.shape[0] // factor, image.shape[1] // factor
    out = np.zeros((height, width, image.shape[2]))
    for row in range(height * factor):
        for column in range(width * factor):
            for channel in range(image.shape[2]):
                out[row // factor, column // factor, channel] += image[row, column, channel]
    return out / factor**2


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur an image (height, width, ...) by a Gaussian of `sigma` pixels."""
    radius = max(1, int(np.ceil(3 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-3)) ** 2)
    kernel /= kernel.sum()
    channels = image.reshape(*image.shape[:2], -1)
    return _convolved(np.ascontiguousarray(channels), kernel).reshape(image.shape)


@compiled
def _convolved(image, kernel):
    # Convolve along both axes, replicating the image's edges.
    height, width, channels = image.shape
    radius = len(kernel) // 2
    middle, out = np.zeros_like(image), np.zeros_like(image)
    for row in range(height):
        for n in range(-radius, radius + 1):
            weight = kernel[n + radius]
            there = min(max(row + n, 0), height - 1)
            for column in range(width):
                for channel in range(channels):
                    middle[row, column, channel] += weight * image[there, column, channel]
    for row in range(height):
        for n in range(-radius, radius + 1):
            weight = kernel[n + radius]
            for column in range(width):
                there = min(max(column + n, 0), width - 1)
                for channel in range(channels):
                    out[row, column, channel] += weight * middle[row, there, channel]
    return out
