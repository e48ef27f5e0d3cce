"""Checks of losses, their gradients and the first five training steps, in double precision."""

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from deformgan.losses.adversarial import generator_loss
from deformgan.losses.l1 import L1_WEIGHT, l1_loss
from deformgan.losses.nearest_neighbour import NEAREST_NEIGHBOUR_WEIGHT, nearest_neighbour_loss
from deformgan.losses.perceptual import PERCEPTUAL_WEIGHT, perceptual_loss
from deformgan.losses.total_variation import total_variation_loss
from deformgan.models.discriminator import Discriminator
from deformgan.models.generator import Generator
from deformgan.models.keras_weights import keras_parameters, to_keras
from deformgan.verify.checks import AllChecks, FileChecks, Finding
from deformgan.verify.golden import Golden, key_of, variant_of
from deformgan.verify.networks import (
    WARP_OF_VARIANT,
    NetworkInputs,
    discriminator_of,
    generator_of,
    images_of,
    vgg_of,
)
from deformgan.verify.tolerances import (
    FIVE_STEPS,
    FIVE_STEPS_IMAGE,
    FIVE_STEPS_WEIGHTS,
    FIVE_STEPS_WEIGHTS_MEAN,
    GRADIENT,
    GRADIENT_EXACT,
    GRADIENT_FLOOR,
    LOSS,
    VARIATION,
)

_EPSILON = 1e-7  # in the reference's logarithms
_INVERSE_WARP = "TensorFlow's inverse-warp gradient; the exact adjoint beside it counts"
_WARPED_STREAM = "enc_app."
_GENERATOR_TERMS = ("total", "adversarial", "content", "variation", "structure")
_MANY = 100  # weights needed for a meaningful mean difference


class Game:
    """Generator and discriminator with the golden weights of one image size, and their batch.

    Attributes:
        generator: The golden generator of one variant.
        discriminator: The golden discriminator.
        inputs: Photos and poses.
        weight_files: Golden files of the weights.
    """

    def __init__(self, golden: Golden, variant: str, key: str):
        self.weight_files = [
            f"net/gen_{variant}_{key}_weights.npz",
            f"net/disc_{key}_weights.npz",
        ]
        generator, discriminator = (golden.arrays(file) for file in self.weight_files)
        self.generator = generator_of(generator, variant)
        self.discriminator = discriminator_of(discriminator)
        self.inputs = NetworkInputs(golden, key)
        self._guide = self.inputs.guide(WARP_OF_VARIANT[variant])
        self._golden = golden

    def paint(self) -> Tensor:
        """Generate the target images."""
        return self.generator.paint(self.inputs.source, self._guide).output

    def judge(self, candidate: Tensor) -> Tensor:
        """Return the discriminator's logits for real or generated targets."""
        inputs = self.inputs
        layers = self.discriminator.judge(
            inputs.source, inputs.source_heatmaps, candidate, inputs.target_heatmaps
        )
        return layers[-1].flatten(1)

    def discriminator_terms(self, painted: Tensor) -> Tensor:
        """Return the discriminator's loss terms [total, real, fake]."""
        real = generator_loss(self.judge(self.inputs.target), epsilon=_EPSILON)
        fake = -generator_loss(self.judge(painted), form="minimax", epsilon=_EPSILON)
        return torch.stack([real + fake, real, fake])

    def generator_terms(self, painted: Tensor, recipe: str) -> Tensor:
        """Return the generator's loss terms [total, adversarial, content, variation, structure]."""
        content, variation = _content_of(self._golden, recipe)
        terms = [
            generator_loss(self.judge(painted), epsilon=_EPSILON),
            content(painted, self.inputs.target),
            variation * total_variation_loss(painted),
            painted.new_zeros(()),  # the structure loss is off in every published run
        ]
        return torch.stack([torch.stack(terms).sum(), *terms])


def _content_of(golden: Golden, recipe: str) -> tuple[Callable[[Tensor, Tensor], Tensor], float]:
    """Return the content loss for a golden name, and the weight of total variation."""
    if recipe == "l1":
        return lambda painted, target: L1_WEIGHT * l1_loss(painted, target), 0.0
    if match := re.fullmatch(r"nn(\d+)img", recipe):
        window = int(match[1])
        return lambda painted, target: 0.5 * nearest_neighbour_loss(painted, target, window), 1e-4
    network = vgg_of(golden.arrays("net/vgg_weights.npz"))
    if match := re.fullmatch(r"full_vgg_nn(\d+)", recipe):
        layer, weight, window = "conv1_2", NEAREST_NEIGHBOUR_WEIGHT, int(match[1])

        def compare(painted: Tensor, target: Tensor) -> Tensor:
            return nearest_neighbour_loss(painted, target, window)

    elif recipe == "fm_vgg2":
        layer, weight, compare = "conv2_1", PERCEPTUAL_WEIGHT, perceptual_loss
    else:
        raise ValueError(f"unknown loss {recipe!r}.")
    return (
        lambda painted, target: weight * compare(network(painted)[layer], network(target)[layer]),
        0.0,
    )


def check_losses(all_checks: AllChecks, file: str) -> None:
    """Check net/losses_<variant>_<size>.npz except for its training steps."""
    variant, key = variant_of(file), key_of(file)
    checks, game = all_checks.of_file(file), Game(all_checks.golden, variant, key)
    with torch.no_grad():
        painted = game.paint()
    findings = []
    for name in checks.arrays:
        recipe, _, network = name.partition(".")
        if recipe == "train5" or network not in ("gen", "disc"):
            continue
        with torch.no_grad():
            terms = (
                game.generator_terms(painted, recipe)
                if network == "gen"
                else game.discriminator_terms(painted)
            )
        findings.append(checks.close(name, terms, _loss_tolerance(checks[name])))
        if "vgg" in recipe:
            vgg = all_checks.of_file("net/vgg_weights.npz")
            vgg.proved_by(vgg.arrays, findings[-1:])
    _prove_inputs(all_checks, game, findings)
    for name in checks.arrays:
        if name.endswith(".gradnorm_names"):
            _gradient_norms(checks, game, name.removesuffix(".gradnorm_names"))


def _gradient_norms(checks: FileChecks, game: Game, recipe: str) -> None:
    gradients = _gradients(game.generator, game.generator_terms(game.paint(), recipe)[0])
    names = checks[f"{recipe}.gradnorm_names"].tolist()
    checks.holds(
        f"{recipe}.gradnorm_names",
        sorted(names) == sorted(gradients),
        f"the generator's weights are {', '.join(gradients)}",
    )
    norms = np.array([gradients[name].norm().item() for name in names])
    warped = np.array([name.startswith(_WARPED_STREAM) for name in names])
    golden = checks[f"{recipe}.gradnorm"]
    checks.close(
        f"{recipe}.gradnorm",
        norms,
        GRADIENT * float(golden[~warped].max()),
        where=~warped,
        note=f"{_WARPED_STREAM}* has TensorFlow's inverse-warp gradients",
    )


def check_generator_gradients(all_checks: AllChecks, file: str) -> None:
    """Check net/grad_gen_<variant>_<size>.npz: gradients of the total L1 generator loss."""
    variant, key = variant_of(file), key_of(file)
    checks, game = all_checks.of_file(file), Game(all_checks.golden, variant, key)
    ours = _gradients(game.generator, game.generator_terms(game.paint(), "l1")[0])
    findings = []
    tolerance = _gradient_tolerance(checks)
    for name in checks.arrays:
        weight = name.removesuffix(".l2").removesuffix(".exact_adjoint")
        if name.startswith(_WARPED_STREAM) and not name.endswith(".exact_adjoint"):
            checks.exclude(name, _INVERSE_WARP)
        elif weight in ours:
            gradient = ours[weight]
            value = gradient.norm() if name.endswith(".l2") else gradient
            if name.endswith(".exact_adjoint"):
                allowed = GRADIENT_EXACT * float(np.abs(checks[name]).max())
            else:
                allowed = tolerance(checks[name])
            findings.append(checks.close(name, value, allowed))
    _prove_inputs(all_checks, game, findings)


def check_discriminator_gradients(all_checks: AllChecks, file: str) -> None:
    """Check net/grad_disc_<size>.npz, for the mask generator's golden image."""
    key = key_of(file)
    checks, game = all_checks.of_file(file), Game(all_checks.golden, "mask", key)
    painted = all_checks.golden.arrays(f"net/gen_mask_{key}_outputs.npz")["out"]
    ours = _gradients(game.discriminator, game.discriminator_terms(images_of(painted))[0])
    tolerance = _gradient_tolerance(checks)
    findings = [
        checks.close(name, ours[name], tolerance(checks[name]))
        for name in checks.arrays
        if name in ours
    ]
    _prove_inputs(all_checks, game, findings, weight_files=game.weight_files[1:])


def check_five_steps(all_checks: AllChecks, file: str) -> None:
    """Check the `train5.*` arrays: five discriminator and generator steps in alternation."""
    variant, key = variant_of(file), key_of(file)
    checks, game = all_checks.of_file(file), Game(all_checks.golden, variant, key)
    optimizers = [
        KerasAdam(network.parameters()) for network in (game.discriminator, game.generator)
    ]
    terms: dict[str, list[Tensor]] = {"disc": [], "gen": []}
    for _ in range(len(checks["train5.gen"])):
        terms["disc"].append(game.discriminator_terms(game.paint().detach()))
        optimizers[0].step(terms["disc"][-1][0])
        terms["gen"].append(game.generator_terms(game.paint(), "l1"))
        optimizers[1].step(terms["gen"][-1][0])
    for name, values in terms.items():
        golden = checks[f"train5.{name}"]
        checks.close(f"train5.{name}", torch.stack(values), FIVE_STEPS * np.abs(golden))
    with torch.no_grad():
        picture = game.paint().movedim(1, -1)
    step = picture.shape[1] // checks["train5.final_out"].shape[1]
    checks.close("train5.final_out", picture[:, ::step, ::step], FIVE_STEPS_IMAGE)
    for name, parameter in keras_parameters(game.discriminator).items():
        name, ours = f"train5.{name}", to_keras(parameter).detach().numpy()  # noqa: PLW2901
        checks.close(name, ours, FIVE_STEPS_WEIGHTS)
        if ours.size >= _MANY:
            together = float(np.abs(ours - checks[name]).mean()) <= FIVE_STEPS_WEIGHTS_MEAN
            checks.holds(name, together, "the mean difference of the weights is too large")


class KerasAdam:
    """Adam as implemented in Keras: epsilon is added before the bias correction."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rate: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        epsilon: float = 1e-8,
    ):
        self.parameters = list(parameters)
        self.rate, self.betas, self.epsilon = rate, betas, epsilon
        self.first = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.second = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.steps = 0

    def step(self, loss: Tensor) -> None:
        """Take an optimizer step."""
        gradients = torch.autograd.grad(loss, self.parameters)
        self.steps += 1
        b1, b2 = self.betas
        rate = self.rate * (1 - b2**self.steps) ** 0.5 / (1 - b1**self.steps)
        with torch.no_grad():
            for parameter, first, second, gradient in zip(
                self.parameters, self.first, self.second, gradients, strict=True
            ):
                first.mul_(b1).add_(gradient, alpha=1 - b1)
                second.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
                parameter.sub_(rate * first / (second.sqrt() + self.epsilon))


def _gradients(network: Generator | Discriminator, loss: Tensor) -> Mapping[str, Tensor]:
    parameters = keras_parameters(network)
    found = torch.autograd.grad(loss, list(parameters.values()))
    return {name: to_keras(value) for name, value in zip(parameters, found, strict=True)}


def _loss_tolerance(golden: np.ndarray) -> np.ndarray:
    """Return the tolerance of each loss term; that of the total is their sum."""
    shares = np.full(len(golden), LOSS)
    if len(golden) == len(_GENERATOR_TERMS):
        shares[_GENERATOR_TERMS.index("variation")] = VARIATION
    terms = shares * np.abs(golden)
    return np.array([terms[1:].sum(), *terms[1:]])


def _gradient_tolerance(checks: FileChecks) -> Callable[[np.ndarray], float]:
    """Return a function for the tolerance of a gradient: a fraction of its largest entry.

    The gradient of a scale or shift is a small difference of large sums, and TensorFlow's rounding
    errors do not shrink with it: the file's largest gradient sets a lower bound on the tolerance.
    """
    entries = [gradient for name, gradient in checks.arrays.items() if not name.endswith(".l2")]
    largest = max(float(np.abs(gradient).max()) for gradient in entries)
    return lambda golden: GRADIENT * max(float(np.abs(golden).max()), largest * GRADIENT_FLOOR)


def _prove_inputs(
    all_checks: AllChecks,
    game: Game,
    findings: list[Finding],
    weight_files: list[str] | None = None,
) -> None:
    for file in weight_files or game.weight_files:
        weights = all_checks.of_file(file)
        weights.proved_by(weights.arrays, findings)
    all_checks.of_file(game.inputs.file).proved_by(["img_uint8", "tgt_uint8"], findings)
