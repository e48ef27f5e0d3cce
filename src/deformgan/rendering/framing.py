"""Framing: how much of a person the crop shows, and the margin around them."""

from dataclasses import replace
from typing import Literal

import numpy as np

from deformgan.rendering.people import Shot
from deformgan.rendering.posture import Arm, Posture, sample_active
from deformgan.rendering.scene import Camera, Light

# "pedestrian": the whole person fills the crop, as in surveillance data sets, and the torso is
# always in view. "wide": with a margin; in two of five pictures the feet, the legs or the head are
# out of the frame; also near cameras, indoor light and arbitrary arm poses. "tight": like manually
# drawn boxes (CUHK03), which are cut at the body and not widened: hands and feet may be outside,
# cameras are closer and look down, and more often something stands in front of the legs.
# "active": the whole person with a margin, seen by good cameras, and in seven of ten pictures in
# postures of sport and dance.
Framing = Literal["pedestrian", "wide", "tight", "active"]


def widen(shot: Shot, random: np.random.Generator) -> Shot:
    """Convert a shot framed as "pedestrian" to "wide"."""
    return replace(
        shot,
        camera=_wide_camera(shot.camera, random),
        posture=_any_arms(shot.posture, random),
        light=_indoors(shot.light, random) if random.random() < 0.4 else shot.light,
    )


def activate(shot: Shot, random: np.random.Generator) -> Shot:
    """Convert a shot framed as "pedestrian" to "active"."""
    between = random.uniform

    camera = replace(
        shot.camera,
        distance=between(3.0, 9.0),
        height=between(1.0, 2.4),
        margin=(between(0.0, 0.2), between(0.0, 0.15)),
        widen=between(0.9, 1.12),
        shift=float(np.clip(random.normal(0, 0.05), -0.15, 0.15)),
        whole=False,
    )
    light = replace(shot.light, blur=between(0.1, 0.5), motion=(0.0, 0.0), haze=0.0)
    # Some stay as they are, because most photos that people have show them standing or walking.
    active = random.random() < 0.7
    posture = sample_active(shot.posture, random) if active else shot.posture
    return replace(shot, camera=camera, light=light, posture=posture)


def tighten(shot: Shot, random: np.random.Generator) -> Shot:
    """Convert a shot framed as "pedestrian" to "tight"."""
    between = random.uniform

    distance = between(4.0, 9.0)
    bottom = between(-0.04, 0.05) if random.random() < 0.7 else between(-0.3, -0.03)
    camera = replace(
        shot.camera,
        distance=distance,
        height=between(1.8, 2.4) + distance * between(0.0, 0.3),
        margin=(between(-0.01, 0.05), bottom),
        widen=between(0.9, 1.12),
        shift=float(np.clip(random.normal(0, 0.06), -0.2, 0.2)),
        whole=False,
    )
    light = shot.light
    if random.random() < 0.7:  # a better camera than Market-1501's
        light = replace(light, blur=between(0.1, 0.5), motion=(0.0, 0.0), haze=0.0)
    return replace(shot, camera=camera, light=light)


def _wide_camera(camera: Camera, random: np.random.Generator) -> Camera:
    between = random.uniform

    cut = random.random()
    if cut < 0.6:  # whole, with a margin
        margin = (between(0.02, 0.3), between(0.02, 0.3))
    elif cut < 0.85:  # down to the shins, the knees or the thighs
        margin = (between(0.0, 0.2), between(-0.9, -0.1))
    elif cut < 0.95:  # a bust
        margin = (between(0.0, 0.15), between(-1.3, -0.7))
    else:  # without the head
        margin = (between(-0.3, 0.0), between(-0.3, 0.1))
    if random.random() < 0.4:  # hand-held camera
        camera = replace(camera, distance=between(2.5, 6.0), height=between(1.0, 1.9))
    return replace(
        camera,
        margin=margin,
        widen=between(0.85, 1.18),
        shift=float(np.clip(random.normal(0, 0.07), -0.2, 0.2)),
        whole=False,
    )


def _any_arms(posture: Posture, random: np.random.Generator) -> Posture:
    arms = {}
    for side in ("right_arm", "left_arm"):
        if random.random() < 0.25:
            if random.random() < 0.4:  # hand on the hip
                low, high = (-25, 25, 60, 40), (5, 50, 100, 80)
            else:  # anywhere
                low, high = (-40, 0, 0, -20), (110, 80, 120, 60)
            arms[side] = Arm(*random.uniform(low, high).tolist())
    return replace(posture, **arms)


def _indoors(light: Light, random: np.random.Generator) -> Light:
    # Ceiling lamps and a sharp camera.
    return replace(
        light,
        sun=0.15,
        sky=1.05,
        blur=float(random.uniform(0.1, 0.4)),
        haze=0.0,
        saturation=float(random.uniform(0.8, 1.1)),
        contrast=float(random.uniform(1.0, 1.25)),
        exposure=float(np.exp(random.normal(0.1, 0.15))),
        motion=(0.0, 0.0),
    )
