"""Checks of the tags that describe pairs of images."""

import numpy as np

# Largest shift that is tried, in pixels.
_REACH = 8


def contradiction(tag: str, target: np.ndarray, generated: np.ndarray) -> str:
    """Describe how two images contradict their tag.

    Args:
        tag: How the target was changed, or what both images show.
        target: (H, W, 3), 0 to 255.
        generated: (H, W, 3), 0 to 255.

    Returns:
        Empty if the images are consistent with the tag. The thresholds are loose: they only
        distinguish the tags.
    """
    t, g = target.astype(np.float64), generated.astype(np.float64)
    difference = g - t
    likeness = np.corrcoef(t.ravel(), g.ravel())[0, 1]
    facts = {
        "identical": lambda: not difference.any(),
        "noise_vs_noise": lambda: min(_roughness(t), _roughness(g)) > 40 and likeness < 0.5,
        "structured_vs_structured": lambda: (
            max(_roughness(t), _roughness(g)) < 40 and likeness < 0.9
        ),
        "blurred": lambda: _roughness(g) < 0.9 * _roughness(t) and likeness > 0.5,
        "noisy": lambda: _roughness(g) > 1.1 * _roughness(t) and likeness > 0.5,
        "shifted": lambda: bool(difference.any()) and _is_shifted(t, g),
        "low_range_generated": lambda: np.ptp(g) < np.ptp(t) / 2 and likeness > 0.9,
        "contrast": lambda: likeness > 0.99 and abs(_slope(t, g) - 1) > 0.05,
        "constant_offset": lambda: difference.std() < abs(difference.mean()) / 2,
    }
    if tag not in facts:
        return f"unknown tag {tag!r}"
    return "" if facts[tag]() else f"the images are not {tag!r}"


def _roughness(image: np.ndarray) -> float:
    steps = [np.abs(np.diff(image, axis=axis)).mean() for axis in (0, 1)]
    return float(np.mean(steps))


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(x.ravel(), y.ravel(), deg=1)[0])


def _is_shifted(target: np.ndarray, generated: np.ndarray) -> bool:
    inside = (slice(_REACH, -_REACH),) * 2
    shifts = range(-_REACH, _REACH + 1)
    return any(
        np.array_equal(generated[inside], np.roll(target, (dy, dx), axis=(0, 1))[inside])
        for dy in shifts
        for dx in shifts
    )
