"""compose: a picture of any size from exported layers, in NumPy alone; docs/export.md shows it."""

import numpy as np


def resize(planes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (channels, height, width) bilinearly; when shrinking, over all pixels covered."""
    half = planes.shape[1:] == (2 * size[0], 2 * size[1])  # exactly: the mean of every four
    for axis, length in enumerate(size, start=1):
        before = planes.shape[axis]
        places = (np.arange(length) + 0.5) * before / length - 0.5
        away = np.abs(places[:, None] - np.arange(before)) / max(1, before / length)
        weights = away < 0.5 if half else np.maximum(1 - away, 0)
        weights = (weights / weights.sum(axis=1, keepdims=True)).astype(planes.dtype)
        planes = np.moveaxis(np.tensordot(weights, planes, (1, axis)), 0, axis)
    return planes


def sample(photo: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Read (3, height, width) bilinearly at columns x and rows y; edges repeat."""
    x, y = x.clip(0, photo.shape[2] - 1), y.clip(0, photo.shape[1] - 1)
    left, top, right, bottom = np.floor(x), np.floor(y), np.ceil(x), np.ceil(y)
    across, down = x - left, y - top

    def read(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        places = row.astype(np.intp) * photo.shape[2] + column.astype(np.intp)
        return np.take(photo.reshape(3, -1), places, axis=1)

    above = read(top, left) * (1 - across) + read(top, right) * across
    below = read(bottom, left) * (1 - across) + read(bottom, right) * across
    return above * (1 - down) + below * down


def compose(layers: dict[str, np.ndarray], photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Compose a picture (3, *size) in [-1, 1] from layers and the photo at its own size."""
    planes = {name: resize(layer[0], size) for name, layer in layers.items()}
    rows, columns = ((np.arange(length, dtype="f4") + 0.5) / length for length in size)
    x = (columns + planes["flow"][0]) * photo.shape[2] - 0.5
    y = (rows[:, None] + planes["flow"][1]) * photo.shape[1] - 0.5
    visible, matte = 1 / (1 + np.exp(-planes["logits"]))
    visible = visible * planes["person"][0]  # no copy of what is not the person
    person = visible * sample(photo, x, y) + (1 - visible) * planes["paint"]
    return matte * person + (1 - matte) * planes["scene"]
