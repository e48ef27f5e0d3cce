"""Deformable GANs: a photo of a person and a pose in, the photo of that person in that pose out."""

__version__ = "0.1.0"
