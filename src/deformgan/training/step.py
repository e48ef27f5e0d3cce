"""train_step: the game, once around."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.losses.adversarial import discriminator_loss, generator_loss
from deformgan.losses.l1 import l1_loss
from deformgan.losses.l2 import l2_loss
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss
from deformgan.losses.perceptual import perceptual_loss
from deformgan.models.discriminator import Discriminator
from deformgan.models.generator import Generator
from deformgan.pair import Pair, View
from deformgan.training.config import TrainConfig

Tensors = tuple[Tensor, ...] | list[Tensor]


@dataclass(frozen=True)
class Players:
    """Both networks, what moves them, and the average that is kept.

    Attributes:
        generator: Trained.
        discriminator: Trained.
        generator_optimizer: Of the generator.
        discriminator_optimizer: Of the discriminator.
        average: Running average of the generator's weights.
    """

    generator: Generator
    discriminator: Discriminator
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    average: AveragedModel

    @staticmethod
    def create(config: TrainConfig, device: torch.device) -> "Players":
        """Draws new networks from the run's seed."""
        torch.manual_seed(config.seed)
        # Tensor cores want channels last; on a CPU it makes no difference.
        layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
        generator = Generator(config.generator).to(device).to(memory_format=layout)
        discriminator = Discriminator(config.discriminator).to(device).to(memory_format=layout)
        optimizers = [
            torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=config.betas)
            for network in (generator, discriminator)
        ]
        average = AveragedModel(generator, multi_avg_fn=_warmed_up(config.ema_decay))
        # Its counter is read at every step, which must not wait for the GPU.
        average.n_averaged = average.n_averaged.cpu()
        return Players(generator, discriminator, optimizers[0], optimizers[1], average)


def _warmed_up(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Averages over fewer steps at first, so that the weights of the start are soon forgotten."""

    def update(averages: Tensors, weights: Tensors, done: Tensor | int) -> None:
        current = min(decay, (1 + int(done)) / (10 + int(done)))
        get_ema_multi_avg_fn(current)(averages, weights, done)

    return update


def train_step(
    players: Players, pair: Pair, features: Vgg19Features | None, config: TrainConfig
) -> dict[str, Float[Tensor, ""]]:
    """Lets the discriminator move, then the generator.

    Args:
        players: Changed in place.
        pair: A batch of photos.
        features: VGG-19 with the layers of the loss terms; None if no term needs it.
        config: The run.

    Returns:
        Loss terms by name, weighted, detached and still on the device.

    Source:
        Section 3. Real, fake and generator's batch are one draw here; the authors draw three.
    """
    source, target = pair.source, pair.target
    mixed = uses_bfloat16(config, source.image.device)
    with torch.autocast(source.image.device.type, torch.bfloat16, enabled=mixed):
        generated = players.generator(source, target.pose).float()

        real_logits = players.discriminator(source, target)
        fake_logits = players.discriminator(source, View(generated.detach(), target.pose))
    discriminator_term = discriminator_loss(real_logits.float(), fake_logits.float())
    players.discriminator_optimizer.zero_grad()
    discriminator_term.backward()
    players.discriminator_optimizer.step()

    # The discriminator only passes the generator's gradient on: its own weights get none.
    players.discriminator.requires_grad_(False)
    with torch.autocast(source.image.device.type, torch.bfloat16, enabled=mixed):
        fake_logits = players.discriminator(source, View(generated, target.pose)).float()
        terms = generator_terms(target.image, generated, fake_logits, features, config)
    players.discriminator.requires_grad_(True)
    players.generator_optimizer.zero_grad()
    torch.stack(list(terms.values())).sum().backward()
    players.generator_optimizer.step()
    players.average.update_parameters(players.generator)
    terms["discriminator"] = discriminator_term
    return {name: term.detach() for name, term in terms.items()}


def uses_bfloat16(config: TrainConfig, device: torch.device) -> bool:
    """Tells whether convolutions run in bfloat16 under `config.precision`."""
    if config.precision != "auto":
        return config.precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older torch cannot tell: float32 is always right, if not always fastest.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def generator_terms(
    target: Float[Tensor, "batch 3 height width"],
    generated: Float[Tensor, "batch 3 height width"],
    fake_logits: Float[Tensor, "batch patches"],
    features: Vgg19Features | None,
    config: TrainConfig,
) -> dict[str, Float[Tensor, ""]]:
    """Gives what the generator minimizes, term by term, weighted.

    Args:
        target: The true photo.
        generated: The generated one.
        fake_logits: The discriminator's judgement of it.
        features: See `train_step`.
        config: The run.
    """
    weights = config.weights
    terms = {}
    if weights.adversarial:
        terms["adversarial"] = weights.adversarial * generator_loss(fake_logits)
    if weights.l1:
        terms["l1"] = weights.l1 * l1_loss(generated, target)
    if weights.l2:
        terms["l2"] = weights.l2 * l2_loss(generated, target)
    if not weights.vgg_layers:
        return terms
    if features is None:
        raise ValueError(f"{' and '.join(weights.vgg_layers)} of VGG-19 are asked for, got None.")
    with torch.no_grad():
        wanted = features(target)
    painted = features(generated)
    if weights.nearest_neighbour:
        weight = features.comparable_weight("conv1_2", weights.nearest_neighbour)
        terms["nearest_neighbour"] = weight * nearest_neighbour_loss(
            painted["conv1_2"].float(), wanted["conv1_2"].float(), config.nearest_neighbour_window
        )
    if weights.perceptual:
        weight = features.comparable_weight("conv2_1", weights.perceptual)
        terms["perceptual"] = weight * perceptual_loss(
            painted["conv2_1"].float(), wanted["conv2_1"].float()
        )
    return terms
