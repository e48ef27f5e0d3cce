"""train_step: one step of adversarial training."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deformgan.backbones.vgg19 import OXFORD_LEVEL, Vgg19Features
from deformgan.errors import InputError
from deformgan.losses.adversarial import discriminator_loss, generator_loss
from deformgan.losses.identity import identity_loss
from deformgan.losses.l1 import l1_loss
from deformgan.losses.l2 import l2_loss
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss
from deformgan.losses.perceptual import perceptual_loss
from deformgan.losses.pose import pose_loss
from deformgan.metrics.ssim import ssim
from deformgan.models.blocks import Noise
from deformgan.models.feature_judge import FeaturedView
from deformgan.models.generator import Generator, Want
from deformgan.models.layers import SHOWN, Fields, Layers, resize, resize_field
from deformgan.pair import Pair, Truth, View
from deformgan.parts import person_region
from deformgan.pose import Pose
from deformgan.skeletons.setting import read_skeleton_setting
from deformgan.training.closeup import Window
from deformgan.training.compared import Compared, random_shift
from deformgan.training.config import TrainConfig
from deformgan.training.distributed import Fabric
from deformgan.training.gan import Gan
from deformgan.training.launch import autocast

_NOISE = 2  # random stream of dropout; `datasets.batches` uses its own


def train_step(
    fabric: Fabric,
    gan: Gan,
    draws: Sequence[Pair],
    features: Vgg19Features | None,
    config: TrainConfig,
    step: int,
) -> dict[str, Float[Tensor, ""]]:
    """Take one optimizer step of the discriminator, then one of the generator.

    Args:
        fabric: Device, precision and processes.
        gan: Changed in place.
        draws: `config.draws` batches of photos; each of several processes has its own part.
        features: VGG-19 with the layers of the loss terms; None if no term needs it.
        config: The run.
        step: Number of the step; seeds the dropout noise together with the run's seed.

    Returns:
        Weighted loss terms of this process' part by name, detached and still on the device; with
        clipping also the norms of both gradients.

    Source:
        Section 3. The authors draw separate batches for real photos, generated images and the
        generator; by default one batch and one pass of the generator serve all three here.
    """
    real, fake, pair = draws if len(draws) == 3 else [*draws] * 3
    generator, discriminator = gan.generator, gan.discriminator
    if not config.weights.of_pictures:
        return _fields_step(fabric, gan, pair, config)
    noise = noise_of_step(fabric, config, step)
    layers = None
    with autocast(config, fabric.device):
        generated = generator.shared(
            pair.source, pair.target.pose, noise, pair.target.background, _wanted(config)
        )
        if isinstance(generated, Layers):
            layers, generated = generated, generated.picture
        generated = generated.float()
        shift = random_shift(config, step)
        compared = Compared.of(pair.target, generated, features, config, shift)
        real_featured, fake_featured = compared.featured_target, compared.featured_generated
        window = Window.random(config, step, (generated.shape[2], generated.shape[3]))
        real_window = _through(window, real.target, real.target.image, features, config)
        near = _through(window, pair.target, generated, features, config)
        faked, fake_window = generated.detach(), near
        if fake is not pair:
            with torch.no_grad():
                faked = generator.shared(
                    fake.source, fake.target.pose, noise, fake.target.background
                ).float()
                if config.discriminator.feature_layers:
                    judged = Compared.of(fake.target, faked, features, config, shift)
                    fake_featured = judged.featured_generated
                    judged = Compared.of(real.target, None, features, config, shift)
                    real_featured = judged.featured_target
                fake_window = _through(window, fake.target, faked, features, config)
        # One batch of real and generated images: gradients are synchronized once per call.
        scales = discriminator.shared(
            View.cat([real.source, fake.source]),
            View.cat([real.target, replace(fake.target, image=faked)]),
            FeaturedView.cat([real_featured, fake_featured])
            if config.discriminator.feature_layers
            else None,
            FeaturedView.cat([real_window, fake_window]) if real_window and fake_window else None,
        )
    discriminator_term = _mean(
        discriminator_loss(*logits.float().chunk(2), config.adversarial_epsilon)
        for logits in scales
    )
    norms = {
        "discriminator_gradient": discriminator.optimize(discriminator_term, config.gradient_clip)
    }

    # The generator's gradient passes through the discriminator, whose weights need none.
    discriminator.network.requires_grad_(False)
    with autocast(config, fabric.device):
        judged = replace(pair.target, image=generated)
        fake_logits = discriminator.network(pair.source, judged, compared.featured_generated, near)
        terms = generator_terms(compared, fake_logits, config)
    if layers is not None:
        terms |= _terms_of_layers(fabric, gan, layers, pair, config)
    if not terms:
        raise InputError(
            "All loss weights need the known truth of rendered people, which these photos lack: "
            "leave them out, or set weights of losses on pictures."
        )
    loss = torch.stack(list(terms.values())).sum()
    norms["generator_gradient"] = generator.optimize(loss, config.gradient_clip)
    discriminator.network.requires_grad_(True)
    gan.average.update_parameters(generator.network)
    terms["discriminator"] = discriminator_term
    terms |= {name: norm for name, norm in norms.items() if norm is not None}
    return {name: term.detach() for name, term in terms.items()}


def _through(
    window: Window | None,
    view: View,
    image: Tensor,
    features: Vgg19Features | None,
    config: TrainConfig,
) -> FeaturedView | None:
    """Return an image as seen through the window, with its gradient; None without a window."""
    if window is None:
        return None
    if features is None:
        raise ValueError("features must provide the closeup_layers of VGG-19, got None.")
    return window.of(view, image, features, config)


def _wanted(config: TrainConfig) -> Want:
    """Return which output to request from the generator.

    If the opacities of the layers are trained on known truth, they must not receive the gradients
    of losses that favour blur. Otherwise these are the only gradients that they receive.
    """
    if config.generator.layers is None:
        return "picture"
    if not config.weights.of_opacity:
        return "free"
    return "held"


def _fields_step(
    fabric: Fabric, gan: Gan, pair: Pair, config: TrainConfig
) -> dict[str, Float[Tensor, ""]]:
    """Take an optimizer step on fields with known truth, without picture and discriminator."""
    if pair.truth is None:
        raise InputError(
            "Only the fields are trained, but these photos have no known truth: give rendered "
            "people with surfaces, or set weights of losses on pictures."
        )
    with autocast(config, fabric.device):
        fields = gan.generator.shared(pair.source, pair.target.pose, None, None, "fields")
    terms = fields_terms(fields, pair, config)
    loss = torch.stack(list(terms.values())).sum()
    norm = gan.generator.optimize(loss, config.gradient_clip)
    gan.average.update_parameters(gan.generator.network)
    if norm is not None:
        terms["generator_gradient"] = norm
    return {name: term.detach() for name, term in terms.items()}


def _terms_of_layers(
    fabric: Fabric, gan: Gan, layers: Layers, pair: Pair, config: TrainConfig
) -> dict[str, Float[Tensor, ""]]:
    """Return the loss terms of layers, by known truth or by what the target photo shows."""
    terms = {}
    if config.weights.bend:
        terms["bend"] = bend_term(layers.fields, config)
    if pair.truth is not None:
        terms |= fields_terms(layers.fields, pair, config)
        return terms | layers_terms(layers, pair, config)
    if not config.weights.photo_matte:
        return terms
    teacher = gan.average.module
    assert isinstance(teacher, Generator)
    with autocast(config, fabric.device), torch.no_grad():
        wanted = teacher.source_matte(pair.target)
    # Without a correction of the field no network predicts mattes.
    if wanted is not None:
        terms["photo_matte"] = photo_matte_term(layers, wanted, config)
    return terms


def noise_of_step(fabric: Fabric, config: TrainConfig, step: int) -> Noise:
    """Seed the dropout noise by (seed, step); each of several processes has its part of it."""
    seed = np.random.SeedSequence((config.seed, _NOISE, step)).generate_state(1, np.uint64)
    random = torch.Generator(fabric.device).manual_seed(int(seed[0] >> 1))
    return Noise(random, fabric.global_rank, fabric.world_size)


def generator_terms(
    compared: Compared,
    fake_logits: Sequence[Float[Tensor, "batch _"]],
    config: TrainConfig,
) -> dict[str, Float[Tensor, ""]]:
    """Return the weighted loss terms of the generator.

    Args:
        compared: The generated image and the true one.
        fake_logits: Logits of the discriminator for the generated image, scale by scale.
        config: The run.
    """
    weights = config.weights
    target, generated = compared.target, compared.generated
    assert generated is not None
    wanted_image = target.image
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
    if weights.pose:
        terms["pose"] = weights.pose * pose_loss(generated, wanted_image)
    if weights.nearest_neighbour_pixels:
        # Scaled to 0..255, the pixel range of VGG-19's input.
        nearest = _nearest_neighbour(generated, wanted_image, target.pose, config)
        terms["nearest_neighbour_pixels"] = weights.nearest_neighbour_pixels * 127.5 * nearest
    wanted, painted = compared.target_features, compared.generated_features
    if weights.nearest_neighbour:
        terms["nearest_neighbour"] = (
            weights.nearest_neighbour
            * OXFORD_LEVEL["conv1_2"]
            * _nearest_neighbour(painted["conv1_2"], wanted["conv1_2"], target.pose, config)
        )
    for name, layer, weight in (
        ("perceptual", "conv2_1", weights.perceptual),
        ("features", "conv3_2", weights.features),
    ):
        if weight:
            distance = perceptual_loss(painted[layer], wanted[layer])
            terms[name] = weight * OXFORD_LEVEL[layer] * distance
    return terms


def fields_terms(fields: Fields, pair: Pair, config: TrainConfig) -> dict[str, Float[Tensor, ""]]:
    """Return the weighted loss terms of fields with known truth.

    Args:
        fields: Output of a layered generator.
        pair: A pair with ground truth.
        config: The run.
    """
    truth, weights = pair.truth, config.weights
    assert truth is not None
    size = (pair.target.image.shape[2], pair.target.image.shape[3])
    terms = {}
    if weights.flow:
        error = field_error(fields.source_from_target, truth, size)
        # The L2 norm, smoothed near 0, where its gradient is undefined.
        error = (error.square() + 0.01).sqrt()
        terms["flow"] = weights.flow * _mean_where(error, truth.matched)
    stride = truth.stride
    if weights.visible:
        logits = resize(fields.visible, size)[:, 0, ::stride, ::stride]
        loss = F.binary_cross_entropy_with_logits(
            logits, copy_opacity(truth, config.through), reduction="none"
        )
        terms["visible"] = weights.visible * _mean_where(loss, truth.body)
    if weights.matte:
        loss = torch.zeros_like(truth.matte)
        for logits, matte in (
            (fields.matte, truth.matte),
            (fields.source_matte, truth.source_matte),
        ):
            loss = loss + F.binary_cross_entropy_with_logits(
                resize(logits, size), matte, reduction="none"
            )
        terms["matte"] = weights.matte * loss.mean() / 2
    return terms


def field_error(
    source_from_target: Float[Tensor, "batch 2 height width"],
    truth: Truth,
    size: tuple[int, int],
) -> Float[Tensor, "batch rows columns"]:
    """Compute the distance of a field from the known truth.

    Args:
        source_from_target: In pixels of its own size.
        truth: In pixels of `size`.
        size: Height and width of the images.

    Returns:
        Distance in pixels of the field's size; meaningless where nothing is matched.
    """
    own = (source_from_target.shape[2], source_from_target.shape[3])
    scale = source_from_target.new_tensor([own[1] / size[1], own[0] / size[0]])[:, None, None]
    field = resize_field(source_from_target, size)[:, :, :: truth.stride, :: truth.stride]
    wanted = (truth.source_from_target + 0.5) * scale - 0.5
    return (field - wanted).square().sum(dim=1).clamp(min=1e-12).sqrt()


def layers_terms(layers: Layers, pair: Pair, config: TrainConfig) -> dict[str, Float[Tensor, ""]]:
    """Return the weighted loss terms of layers with known truth; see `fields_terms`."""
    truth, weights = pair.truth, config.weights
    assert truth is not None
    stride, terms = truth.stride, {}
    if weights.visible:
        loss = F.binary_cross_entropy_with_logits(
            layers.logits[:, 0, ::stride, ::stride],
            copy_opacity(truth, config.through),
            reduction="none",
        )
        terms["visible_fine"] = weights.visible * _mean_where(loss, truth.body)
    if weights.matte:
        terms["matte_fine"] = weights.matte * F.binary_cross_entropy_with_logits(
            layers.logits[:, 1:], truth.matte
        )
    if weights.planes:
        paint = (layers.paint.float() - pair.target.image).abs()
        scene = (layers.scene.float() - truth.scene).abs()
        inside = truth.matte > 0.99
        terms["planes"] = weights.planes * (
            _mean_where(paint, inside.expand_as(paint)) + scene.mean()
        )
    return terms


def bend_term(fields: Fields, config: TrainConfig) -> Float[Tensor, ""]:
    """Penalize bends of the field where it does not show the surface itself.

    Of a profile, the copy for a front view is enlarged several times, and so is every error of the
    field. An affine field has no bends.

    Args:
        fields: Output of a layered generator.
        config: The run.

    Returns:
        Weighted mean of the lengths of second differences, in pixels of the network.
    """
    field = fields.source_from_target
    guessed = (fields.matte > 0) & (fields.visible <= SHOWN)
    total, count = field.new_zeros(()), guessed.new_zeros((), dtype=field.dtype)
    for axis in (2, 3):
        middle = field.shape[axis] - 2
        before, at, after = (field.narrow(axis, start, middle) for start in (0, 1, 2))
        bend = ((before - 2 * at + after).square().sum(dim=1, keepdim=True) + 1e-4).sqrt()
        where = guessed.narrow(axis, 1, middle)
        total, count = total + (bend * where).sum(), count + where.sum()
    return config.weights.bend * total / count.clamp(min=1)


def copy_opacity(truth: Truth, through: float) -> Float[Tensor, "batch rows columns"]:
    """Return the opacity that the copy is taught at every pixel with known truth.

    Args:
        truth: Of a batch.
        through: See `TrainConfig`.
    """
    return torch.where(truth.visible, 1.0, through * truth.matched)


def photo_matte_term(
    layers: Layers, wanted: Float[Tensor, "batch 1 height width"], config: TrainConfig
) -> Float[Tensor, ""]:
    """Compare the matte of a photo without known truth with a prediction from the photo itself.

    What a person covers is easier to see in the photo than to guess from another one and a pose.
    Without this term the mattes of photos would be learned from rendered people alone.

    Args:
        layers: Generated layers.
        wanted: Matte predicted from the target photo, in [0, 1], at the network's size.
        config: The run.
    """
    fields, size = layers.fields, (layers.logits.shape[2], layers.logits.shape[3])
    loss = F.binary_cross_entropy_with_logits(fields.matte.float(), wanted.float())
    fine = F.binary_cross_entropy_with_logits(
        layers.logits[:, 1:].float(), resize(wanted.float(), size)
    )
    return config.weights.photo_matte * (loss + fine) / 2


def _mean_where(values: Tensor, where: Tensor) -> Float[Tensor, ""]:
    return (values * where).sum() / where.sum().clamp(min=1)


def _nearest_neighbour(
    generated: Tensor, target: Tensor, pose: Pose, config: TrainConfig
) -> Float[Tensor, ""]:
    """Compute the mean loss over pixels, with a weight on those of the person."""
    window, person = config.nearest_neighbour_window, config.weights.person
    if person == 1:
        return nearest_neighbour_loss(generated, target, window)
    distance = nearest_neighbour_loss(generated, target, window, reduction="none")
    skeleton = read_skeleton_setting(config.generator.skeleton)
    size = (generated.shape[-2], generated.shape[-1])
    weight = 1 + (person - 1) * person_region(pose, skeleton, size).to(distance.dtype)
    # Normalized, so that the size of the person does not change the total weight.
    return (distance * weight / weight.mean(dim=(1, 2), keepdim=True)).mean()


def _ssim(generated: Tensor, target: Tensor) -> Float[Tensor, ""]:
    bytes_each = ((image.float() + 1) * 127.5 for image in (generated, target))
    full = generated.new_full((len(generated),), 255.0)
    return ssim(*bytes_each, data_range=full).mean().float()


def _mean(losses: Iterable[Tensor]) -> Float[Tensor, ""]:
    return torch.stack(list(losses)).mean()
