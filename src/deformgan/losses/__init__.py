"""Generator and discriminator loss terms, one per file."""

from deformgan.losses.adversarial import discriminator_loss, generator_loss
from deformgan.losses.identity import identity_loss
from deformgan.losses.l1 import l1_loss
from deformgan.losses.l2 import l2_loss
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss
from deformgan.losses.perceptual import perceptual_loss
from deformgan.losses.pose import pose_loss
from deformgan.losses.total_variation import total_variation_loss

__all__ = [
    "discriminator_loss",
    "generator_loss",
    "identity_loss",
    "l1_loss",
    "l2_loss",
    "nearest_neighbour_loss",
    "perceptual_loss",
    "pose_loss",
    "total_variation_loss",
]
