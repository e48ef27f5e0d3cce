"""Build: the proportions of a four-legged animal."""

from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True)
class Build:
    """Lengths and radii in metres, for an animal whose back is about 1 m above the ground.

    Attributes:
        length: Distance from shoulders to hips.
        chest: Half the trunk's height at the shoulders.
        belly: Half the trunk's height in the middle.
        rump: Half the trunk's height at the hips.
        slim: Ratio of the trunk's width to its height.
        neck: Length of the neck.
        neck_rise: Elevation of the neck above the horizontal, in radians.
        head: Length from the skull's centre to the nose.
        skull: Radius of the skull.
        muzzle: Radius of the nose.
        ear: Length of an ear.
        ear_spread: Direction of the ears: 0 up, 1 sideways.
        tail: Length of the tail.
        tail_thick: Radius of the tail in its middle.
        leg: Radius of a leg at elbow and knee.
        paw: Radius of a paw or hoof.
        horns: Length of the horns; 0 for none.
        mane: Height of the mane above the neck; 0 for none.
    """

    length: float
    chest: float
    belly: float
    rump: float
    slim: float
    neck: float
    neck_rise: float
    head: float
    skull: float
    muzzle: float
    ear: float
    ear_spread: float
    tail: float
    tail_thick: float
    leg: float
    paw: float
    horns: float = 0.0
    mane: float = 0.0


# Proportions of common animals, estimated by eye.
BUILDS = {
    "dog": Build(
        *(0.95, 0.24, 0.19, 0.19, 0.8, 0.38, 0.75, 0.34, 0.14, 0.06),
        *(0.19, 0.35, 0.62, 0.035, 0.055, 0.06),
    ),
    "cat": Build(
        *(1.05, 0.2, 0.19, 0.19, 0.85, 0.26, 0.6, 0.22, 0.16, 0.08),
        *(0.15, 0.25, 0.95, 0.045, 0.055, 0.06),
    ),
    "horse": Build(
        *(0.9, 0.23, 0.22, 0.22, 0.75, 0.62, 0.85, 0.44, 0.13, 0.085),
        *(0.13, 0.15, 0.6, 0.07, 0.055, 0.06),
        mane=0.09,
    ),
    "cow": Build(
        *(1.15, 0.3, 0.33, 0.28, 0.75, 0.45, 0.3, 0.4, 0.15, 0.11),
        *(0.17, 0.95, 0.75, 0.025, 0.06, 0.07),
        horns=0.2,
    ),
    "deer": Build(
        *(0.88, 0.21, 0.19, 0.2, 0.72, 0.55, 0.95, 0.32, 0.11, 0.06),
        *(0.2, 0.75, 0.2, 0.05, 0.042, 0.045),
        horns=0.34,
    ),
    "sheep": Build(
        *(0.92, 0.33, 0.34, 0.33, 0.9, 0.32, 0.6, 0.3, 0.12, 0.075),
        *(0.16, 0.95, 0.25, 0.05, 0.045, 0.05),
    ),
    "pig": Build(
        *(1.1, 0.33, 0.35, 0.33, 0.82, 0.2, 0.15, 0.38, 0.19, 0.1),
        *(0.17, 0.6, 0.3, 0.025, 0.07, 0.065),
    ),
}


def sample_build(random: np.random.Generator) -> Build:
    """Sample an individual's proportions: those of a species, each varied by about a tenth."""
    kind = BUILDS[list(BUILDS)[random.integers(len(BUILDS))]]
    changes = {
        field.name: float(getattr(kind, field.name) * np.exp(random.normal(0, 0.1)))
        for field in fields(Build)
    }
    if random.random() < 0.5:
        changes["horns"] = 0.0
    return replace(kind, **changes)
