"""train_step: the game, once around."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.losses.adversarial import discriminator_loss, generator_loss
from deformgan.losses.identity import identity_loss
from deformgan.losses.l1 import l1_loss
from deformgan.losses.l2 import l2_loss
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss
from deformgan.losses.perceptual import perceptual_loss
from deformgan.metrics.ssim import ssim
from deformgan.models.blocks import Noise
from deformgan.pair import Pair, View
from deformgan.parts import person_region
from deformgan.pose import Pose
from deformgan.skeletons.setting import read_skeleton_setting
from deformgan.training.config import TrainConfig
from deformgan.training.launch import autocast
from deformgan.training.players import Players

_NOISE = 2  # stream of random numbers; the batches' own are in `datasets.batches`


def train_step(
    fabric: Fabric,
    players: Players,
    draws: Sequence[Pair],
    features: Vgg19Features | None,
    config: TrainConfig,
    step: int,
) -> dict[str, Float[Tensor, ""]]:
    """Lets the discriminator move, then the generator.

    Args:
        fabric: Device, precision and processes.
        players: Changed in place.
        draws: `config.draws` batches of photos; of several processes each has its own part.
        features: VGG-19 with the layers of the loss terms; None if no term needs it.
        config: The run.
        step: Which one this is; dropout is drawn from it and the run's seed.

    Returns:
        Loss terms by name, weighted, of this process' part, detached and still on the device; with
        clipping also the norms of both gradients.

    Source:
        Section 3. The authors draw real, fake and generator's batch apart; by default here one
        draw and one pass of the generator serve all three.
    """
    real, fake, pair = draws if len(draws) == 3 else [*draws] * 3
    generator, discriminator = players.generator, players.discriminator
    noise = noise_of_step(fabric, config, step)
    with autocast(config, fabric.device):
        generated = generator.shared(
            pair.source, pair.target.pose, noise, pair.target.background
        ).float()
        if fake is pair:
            faked = generated.detach()
        else:
            with torch.no_grad():
                faked = generator.shared(
                    fake.source, fake.target.pose, noise, fake.target.background
                ).float()
        # Real and generated are one batch, since gradients of several processes meet once a call.
        scales = discriminator.shared(
            View.cat([real.source, fake.source]),
            View.cat([real.target, replace(fake.target, image=faked)]),
        )
    discriminator_term = _mean(
        discriminator_loss(*logits.float().chunk(2), config.adversarial_epsilon)
        for logits in scales
    )
    norms = {
        "discriminator_gradient": discriminator.move(
            fabric, discriminator_term, config.gradient_clip
        )
    }

    # The discriminator only passes the generator's gradient on: its own weights get none.
    discriminator.network.requires_grad_(False)
    with autocast(config, fabric.device):
        judged = replace(pair.target, image=generated)
        fake_logits = discriminator.network(pair.source, judged)
        terms = generator_terms(pair.target, generated, fake_logits, features, config)
    loss = torch.stack(list(terms.values())).sum()
    norms["generator_gradient"] = generator.move(fabric, loss, config.gradient_clip)
    discriminator.network.requires_grad_(True)
    players.average.update_parameters(generator.network)
    terms["discriminator"] = discriminator_term
    terms |= {name: norm for name, norm in norms.items() if norm is not None}
    return {name: term.detach() for name, term in terms.items()}


def noise_of_step(fabric: Fabric, config: TrainConfig, step: int) -> Noise:
    """Draws dropout from (seed, step); of several processes each has its part of the noise."""
    seed = np.random.SeedSequence((config.seed, _NOISE, step)).generate_state(1, np.uint64)
    random = torch.Generator(fabric.device).manual_seed(int(seed[0] >> 1))
    return Noise(random, fabric.global_rank, fabric.world_size)


def generator_terms(
    target: View,
    generated: Float[Tensor, "batch 3 height width"],
    fake_logits: Sequence[Float[Tensor, "batch _"]],
    features: Vgg19Features | None,
    config: TrainConfig,
) -> dict[str, Float[Tensor, ""]]:
    """Gives what the generator minimizes, term by term, weighted.

    Args:
        target: The true photo and its pose.
        generated: The generated one.
        fake_logits: The discriminator's judgement of it, scale by scale.
        features: See `train_step`.
        config: The run.
    """
    weights, wanted_image = config.weights, target.image
    terms = {}
    if weights.adversarial:
        terms["adversarial"] = weights.adversarial * _mean(
            generator_loss(logits.float(), epsilon=config.adversarial_epsilon)
            for logits in fake_logits
        )
    if weights.l1:
        terms["l1"] = weights.l1 * l1_loss(generated, wanted_image)
    if weights.l2:
        terms["l2"] = weights.l2 * l2_loss(generated, wanted_image)
    if weights.ssim:
        terms["ssim"] = weights.ssim * (1 - _ssim(generated, wanted_image))
    if weights.identity:
        terms["identity"] = weights.identity * identity_loss(generated, wanted_image)
    if weights.nearest_neighbour_pixels:
        # On the scale that VGG's own input has.
        nearest = _nearest_neighbour(generated, wanted_image, target.pose, config)
        terms["nearest_neighbour_pixels"] = weights.nearest_neighbour_pixels * 127.5 * nearest
    if not weights.vgg_layers:
        return terms
    if features is None:
        raise ValueError(f"{' and '.join(weights.vgg_layers)} of VGG-19 are asked for, got None.")
    with torch.no_grad():
        wanted = features(wanted_image)
    painted = features(generated)
    if weights.nearest_neighbour:
        weight = features.comparable_weight("conv1_2", weights.nearest_neighbour)
        terms["nearest_neighbour"] = weight * _nearest_neighbour(
            painted["conv1_2"].float(), wanted["conv1_2"].float(), target.pose, config
        )
    if weights.perceptual:
        weight = features.comparable_weight("conv2_1", weights.perceptual)
        terms["perceptual"] = weight * perceptual_loss(
            painted["conv2_1"].float(), wanted["conv2_1"].float()
        )
    return terms


def _nearest_neighbour(
    generated: Tensor, target: Tensor, pose: Pose, config: TrainConfig
) -> Float[Tensor, ""]:
    """The loss as a mean over pixels in which those of the person may count more."""
    window, person = config.nearest_neighbour_window, config.weights.person
    if person == 1:
        return nearest_neighbour_loss(generated, target, window)
    distance = nearest_neighbour_loss(generated, target, window, reduction="none")
    skeleton = read_skeleton_setting(config.generator.skeleton)
    size = (generated.shape[-2], generated.shape[-1])
    weight = 1 + (person - 1) * person_region(pose, skeleton, size).to(distance.dtype)
    # A person who fills the photo counts no more in all than one far away.
    return (distance * weight / weight.mean(dim=(1, 2), keepdim=True)).mean()


def _ssim(generated: Tensor, target: Tensor) -> Float[Tensor, ""]:
    bytes_each = ((image.float() + 1) * 127.5 for image in (generated, target))
    full = generated.new_full((len(generated),), 255.0)
    return ssim(*bytes_each, data_range=full).mean().float()


def _mean(losses: Iterable[Tensor]) -> Float[Tensor, ""]:
    return torch.stack(list(losses)).mean()
