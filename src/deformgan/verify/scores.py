"""Checks of image metrics: SSIM, masked SSIM, L1 and the inception score."""

import numpy as np
import torch

from deformgan.evaluation.person_mask import person_mask
from deformgan.metrics.inception_score import inception_score
from deformgan.metrics.l1 import l1
from deformgan.metrics.ssim import mask_ssim, ssim
from deformgan.verify.checks import AllChecks, FileChecks, Finding
from deformgan.verify.golden import Golden, size_of, unpack
from deformgan.verify.image_tags import contradiction
from deformgan.verify.poses import pose_of
from deformgan.verify.tolerances import INCEPTION, L1, SSIM

_OLD, _MODERN = 13, 11  # taps


def check_ssim(all_checks: AllChecks, file: str) -> None:
    """Check ssim.npz."""
    checks = all_checks.of_file(file)
    for name in list(checks.arrays):
        if name.startswith("target_"):
            _similarity(checks, all_checks.golden, name.removeprefix("target_"))


def _similarity(checks: FileChecks, golden: Golden, key: str) -> None:
    target, generated = (_images(checks[f"{name}_{key}"]) for name in ("target", "generated"))
    size = size_of(key)
    mask = torch.from_numpy(unpack(checks[f"mask_packed_{key}"], size[1]))
    old = ssim(generated, target, taps=_OLD)
    masked_old = mask_ssim(generated, target, mask, taps=_OLD)
    findings = [
        checks.close(f"ssim_{key}", old, SSIM),
        checks.close(f"ssim_swapped_{key}", ssim(target, generated, taps=_OLD), SSIM),
        checks.close(f"ssim_modern_{key}", ssim(generated, target, taps=_MODERN), SSIM),
        checks.close(f"l1_{key}", l1(generated, target), L1),
    ]
    masked = [
        checks.close(f"ssim_masked_{key}", masked_old, SSIM),
        checks.close(
            f"ssim_masked_modern_{key}", mask_ssim(generated, target, mask, taps=_MODERN), SSIM
        ),
    ]
    if f"ssim_mean_{key}" in checks.arrays:
        findings.append(checks.close(f"ssim_mean_{key}", old.mean(), SSIM))
    masked.append(_mask(checks, golden, key, size))
    findings.append(checks.same(f"data_range_{key}", _range(generated)))
    masked.append(checks.same(f"data_range_masked_{key}", _range(generated * mask[:, None])))
    checks.proved_by([f"target_{key}", f"generated_{key}"], findings + masked)
    pairs = zip(
        checks[f"tags_{key}"].tolist(),
        checks[f"target_{key}"],
        checks[f"generated_{key}"],
        strict=True,
    )
    wrong = [f"{i}: {reason}" for i, pair in enumerate(pairs) if (reason := contradiction(*pair))]
    checks.holds(f"tags_{key}", not wrong, "; ".join(wrong))


def _mask(checks: FileChecks, golden: Golden, key: str, size: tuple[int, int]) -> Finding:
    """Check the person masks against those of the pose file's first target poses."""
    poses = golden.arrays(f"poses_{key}.npz")
    count = len(checks[f"mask_packed_{key}"])
    ambiguous = unpack(poses["ma_mask_ambiguous_packed"][:count], size[1])
    ours = person_mask(pose_of(poses["kp_to"][:count]), size)
    # On ambiguous pixels, use the reference's value, which both files contain.
    ours = np.where(ambiguous, unpack(poses["ma_mask_packed"][:count], size[1]), ours.numpy())
    return checks.same_bits(f"mask_packed_{key}", ours)


def _images(stored: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(stored).permute(0, 3, 1, 2)


def _range(images: torch.Tensor) -> torch.Tensor:
    flat = images.flatten(1).long()
    return flat.amax(dim=1) - flat.amin(dim=1)


def check_inception_score(all_checks: AllChecks, file: str) -> None:
    """Check inception_score.npz."""
    checks = all_checks.of_file(file)
    probabilities = torch.from_numpy(checks["preds"])
    prefix = "mean_std_splits"
    findings = [
        checks.close(
            name,
            np.array(inception_score(probabilities, int(name.removeprefix(prefix)))),
            INCEPTION,
        )
        for name in checks.arrays
        if name.startswith(prefix)
    ]
    checks.proved_by(["preds"], findings)
    sums = probabilities.double().sum(dim=1).numpy()
    checks.holds("preds", abs(sums - 1) <= INCEPTION, "every row must sum to 1")
