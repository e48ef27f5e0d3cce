"""Checks of generator, discriminator and VGG layer by layer, with the authors' weights.

All networks here compute in double precision. In single precision, rounding can flip the sign of an
activation's input near 0 and thereby pass or block a gradient: our rounding errors would then look
like a difference from the reference.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from deformgan.affine import normalize
from deformgan.backbones.vgg19 import CONVOLUTIONS, Vgg19Features
from deformgan.models.discriminator import Discriminator
from deformgan.models.generator import Generator, Guide
from deformgan.models.keras_weights import (
    WARPED_LEVELS,
    discriminator_config,
    generator_config,
    load_keras_arrays,
)
from deformgan.verify.checks import AllChecks, FileChecks, Finding
from deformgan.verify.golden import Golden, key_of, size_of, unpack, variant_of
from deformgan.verify.poses import heatmaps_of, pose_of
from deformgan.verify.tolerances import LAYERS, OUTPUT, TRANSFORM, VGG
from deformgan.verify.warp import transforms_of

_ZERO_CODE = 255  # code of heatmap value 0; any other code c encodes exp(-c)
WARP_OF_VARIANT = {"mask": "parts", "none": "none"}


class NetworkInputs:
    """Inputs of the networks for one image size.

    Values are the single-precision inputs of the reference networks.

    Args:
        golden: The golden folder.
        key: Image size such as "128x64".
        dtype: Data type of photos and heatmaps.

    Attributes:
        size: Height and width.
        source: Source photos.
        target: True target photos.
        source_heatmaps: Heatmaps of the source poses.
        target_heatmaps: Heatmaps of the target poses.
    """

    def __init__(self, golden: Golden, key: str, dtype: torch.dtype = torch.float64):
        self.file = f"net/inputs_{key}.npz"
        arrays = golden.arrays(self.file)
        self.size = size_of(key)
        self.source, self.target = (
            images_of(((arrays[name] / 255 - 0.5) * 2).astype(np.float32)).to(dtype)
            for name in ("img_uint8", "tgt_uint8")
        )
        self.source_heatmaps, self.target_heatmaps = (
            heatmaps_of(pose_of(arrays[name]), self.size).to(dtype) for name in ("kp_from", "kp_to")
        )
        self._transforms = {name: arrays[name] for name in ("affine", "uniform")}
        self._masks = torch.from_numpy(unpack(arrays["masks_packed"], self.size[1]))

    def guide(self, warp: str = "parts") -> Guide:
        """Return the generator's pose inputs, in the reference's frame.

        Transforms and masks are the golden ones, so that no mask depends on rounding.
        """
        transforms, masks = [], []
        if warp != "none":
            moves, found = transforms_of(
                self._transforms["affine" if warp == "parts" else "uniform"]
            )
            everywhere = torch.ones_like(self._masks[:, :1])
            full = (self._masks if warp == "parts" else everywhere) & found[..., None, None]
            for level in range(WARPED_LEVELS):
                stride = 2**level
                # Double precision, because nearest sampling is sensitive at exact halves.
                transforms.append(normalize(moves, self.size, frame="strided", stride=stride))
                masks.append(full[:, :, ::stride, ::stride])
        return Guide(self.source_heatmaps, self.target_heatmaps, transforms, masks)


def images_of(stored: np.ndarray) -> torch.Tensor:
    """Return golden images (N, H, W, C) as a batch (N, C, H, W) in double precision."""
    return torch.from_numpy(stored).double().permute(0, 3, 1, 2)


def generator_of(weights: Mapping[str, np.ndarray], variant: str, **changes) -> Generator:
    """Build the reference's generator in the shape of its weights, in double, without dropout."""
    config = replace(generator_config({name: w.shape for name, w in weights.items()}), **changes)
    config = replace(config, warp=changes.get("warp", WARP_OF_VARIANT[variant]))
    generator = Generator(config).double()
    load_keras_arrays(generator, weights)
    return generator.eval()


def discriminator_of(weights: Mapping[str, np.ndarray]) -> Discriminator:
    """Build the reference's discriminator in the shape of its weights, in double precision."""
    config = discriminator_config({name: weight.shape for name, weight in weights.items()})
    discriminator = Discriminator(config).double()
    load_keras_arrays(discriminator, weights)
    return discriminator.eval()


def check_inputs(all_checks: AllChecks, file: str) -> None:
    """Check net/inputs_<size>.npz against the pose file; the networks' checks cover the photos."""
    checks = all_checks.of_file(file)
    key = key_of(file)
    poses, ids = all_checks.golden.arrays(f"poses_{key}.npz"), checks["pose_ids"]
    findings = [
        checks.close("kp_from", poses["kp_from"][ids], 0.0),
        checks.close("kp_to", poses["kp_to"][ids], 0.0),
        checks.close("affine", poses["affine"][ids], TRANSFORM),
        checks.close("uniform", poses["uniform"][ids], TRANSFORM),
        checks.same("masks_packed", poses["masks_packed"][ids]),
    ]
    checks.proved_by(["pose_ids"], findings)
    for side in ("from", "to"):
        maps = heatmaps_of(pose_of(checks[f"kp_{side}"]), size_of(key)).movedim(1, -1)
        codes = torch.where(maps > 0, -maps.double().log().round(), _ZERO_CODE)
        found = checks.same(f"heat_{side}_code", codes)
        checks.proved_by([f"kp_{side}"], [found])


def check_generator(all_checks: AllChecks, file: str) -> None:
    """Check net/gen_<variant>_<size>_outputs.npz."""
    variant, key = variant_of(file), key_of(file)
    outputs = all_checks.of_file(file)
    weights = all_checks.of_file(f"net/gen_{variant}_{key}_weights.npz")
    inputs = NetworkInputs(all_checks.golden, key)
    generator = generator_of(weights.arrays, variant)
    with torch.no_grad():
        found = generator.paint(inputs.source, inputs.guide(WARP_OF_VARIANT[variant]))
    skips = found.skips
    if variant == "none":
        layers = {"enc": found.source}
    else:
        deepest = torch.cat([found.source[-1], found.target[-1]], dim=1)
        layers = {"enc_app": found.source, "enc_pose": found.target, "skip": [*skips, deepest]}
    layers["dec"] = found.decoder
    findings = [
        finding
        for stack, features in layers.items()
        for place, feature in enumerate(features)
        for finding in _check_layer(outputs, f"{stack}.{place}", feature, LAYERS[key])
    ]
    findings.append(outputs.close("out", found.output.movedim(1, -1), OUTPUT[key]))
    for name, warp, aggregation in (
        ("out_mask_avg", "parts", "average"),
        ("out_full_max", "global", "max"),
    ):
        if name in outputs.arrays:
            guide = inputs.guide(warp)
            if warp == "global" and any(masks.shape[1] > 1 for masks in guide.masks):
                aggregation = "average"  # noqa: PLW2901 - equals the maximum for copies of one part
            other = generator_of(weights.arrays, variant, warp=warp, aggregation=aggregation)
            with torch.no_grad():
                picture = other.paint(inputs.source, guide).output
            findings.append(_check_thinned(outputs, name, picture, OUTPUT[key]))
    weights.proved_by(weights.arrays, findings)
    given = ["img_uint8", "kp_from", "kp_to"]
    if variant == "mask":
        given += ["affine", "uniform", "masks_packed"]
    all_checks.of_file(inputs.file).proved_by(given, findings[-1:] + findings)


def check_discriminator(all_checks: AllChecks, file: str) -> None:
    """Check net/disc_<size>_outputs.npz; the fake is the mask generator's golden image."""
    key = key_of(file)
    outputs, weights = all_checks.of_file(file), all_checks.of_file(f"net/disc_{key}_weights.npz")
    inputs = NetworkInputs(all_checks.golden, key)
    discriminator = discriminator_of(weights.arrays)
    painted = all_checks.golden.arrays(f"net/gen_mask_{key}_outputs.npz")["out"]
    candidates = {"real": inputs.target, "fake": images_of(painted)}
    for name, candidate in candidates.items():
        with torch.no_grad():
            layers = discriminator.judge(
                inputs.source, inputs.source_heatmaps, candidate, inputs.target_heatmaps
            )
        findings = [
            finding
            for place, layer in enumerate(layers)
            for finding in _check_layer(outputs, f"{name}.disc.{place}", layer, LAYERS[key])
        ]
        scores = torch.sigmoid(layers[-1].flatten(1))
        findings.append(outputs.close(f"{name}.out", scores, LAYERS[key]))
        weights.proved_by(weights.arrays, findings)
        given = ["img_uint8", *(["tgt_uint8"] if name == "real" else [])]
        all_checks.of_file(inputs.file).proved_by(given, findings[-1:] + findings)


def check_vgg(all_checks: AllChecks, file: str) -> None:
    """Check net/vgg_outputs.npz: features of the true target and of the generated image."""
    outputs, weights = all_checks.of_file(file), all_checks.of_file("net/vgg_weights.npz")
    key = "128x64"
    inputs = NetworkInputs(all_checks.golden, key)
    painted = all_checks.golden.arrays(f"net/gen_mask_{key}_outputs.npz")["out"]
    images = {"target": inputs.target, "generated": images_of(painted)}
    network = vgg_of(weights.arrays)
    for name, image in images.items():
        findings = []
        for layer, features in network(image).items():
            array = f"{name}.{_keras_layer(layer)}"
            tolerance = VGG * float(np.abs(outputs[array]).max())
            findings.append(_check_every(outputs, array, features, 8, tolerance))
            findings.append(outputs.close(f"{array}.mean", features.mean(dim=(2, 3)), tolerance))
        weights.proved_by(weights.arrays, findings)
        if name == "target":
            all_checks.of_file(inputs.file).proved_by(["tgt_uint8"], findings)
    pixels = network.preprocess(inputs.target)
    found = _check_every(outputs, "preprocessed_target", pixels, 8, VGG * 255)
    all_checks.of_file(inputs.file).proved_by(["tgt_uint8"], [found])


def vgg_of(weights: Mapping[str, np.ndarray]) -> Vgg19Features:
    """Build the authors' content model, with its swapped means, in double precision."""
    layers = [layer for layer in CONVOLUTIONS if f"{_keras_layer(layer)}.kernel" in weights]
    return Vgg19Features.from_arrays(weights, layers, pixels="reference", dtype=torch.float64)


def _keras_layer(layer: str) -> str:
    block, _, number = layer.removeprefix("conv").partition("_")
    return f"block{block}_conv{number}"


def _check_layer(
    checks: FileChecks, name: str, features: torch.Tensor, tolerance: float
) -> list[Finding]:
    """Compare a subsampled layer, and mean and deviation per channel of the full layer."""
    return [
        _check_thinned(checks, name, features, tolerance),
        checks.close(f"{name}.mean", features.mean(dim=(2, 3)), tolerance),
        checks.close(f"{name}.std", features.std(dim=(2, 3), correction=0), tolerance),
    ]


def _check_thinned(
    checks: FileChecks, name: str, features: torch.Tensor, tolerance: float
) -> Finding:
    stride = f"stride.{name}"
    found = _check_every(checks, name, features, int(checks[stride]), tolerance)
    checks.proved_by([stride], [found])
    return found


def _check_every(
    checks: FileChecks, name: str, features: torch.Tensor, stride: int, tolerance: float
) -> Finding:
    return checks.close(name, features[..., ::stride, ::stride].movedim(1, -1), tolerance)
