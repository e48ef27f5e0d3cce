"""Rendered people who do not exist, with exact joints (the extra `synth`)."""

from importlib.util import find_spec

from deformgan.errors import InputError

# Only check for the packages: importing anny takes ten seconds, so it is deferred to first use.
if find_spec("anny") is None or find_spec("numba") is None:
    raise InputError('Rendering people needs the extra "synth": pip install "deformgan[synth]".')

from deformgan.rendering.identity import Identity, sample_identity
from deformgan.rendering.people import Shot, render_people
from deformgan.rendering.picture import Rendered
from deformgan.rendering.posture import Posture, sample_posture, walking
from deformgan.rendering.scene import (
    Camera,
    Light,
    Place,
    sample_camera,
    sample_light,
    sample_place,
)

__all__ = [
    "Camera",
    "Identity",
    "Light",
    "Place",
    "Posture",
    "Rendered",
    "Shot",
    "render_people",
    "sample_camera",
    "sample_identity",
    "sample_light",
    "sample_place",
    "sample_posture",
    "walking",
]
