"""Checks of image metrics: SSIM, masked SSIM, L1 and the inception score."""

import numpy as np
import torch

from deformgan.evaluation.person_mask import person_mask
from deformgan.metrics.inception_score import inception_score
from deformgan.metrics.l1 import l1
from deformgan.metrics.ssim import mask_ssim, ssim
from deformgan.verify.golden import Golden, size_of, unpack
from deformgan.verify.image_tags import contradiction
from deformgan.verify.poses import pose_of
from deformgan.verify.sheet import Finding, Ledger, Sheet
from deformgan.verify.tolerances import INCEPTION, L1, SSIM

_OLD, _MODERN = 13, 11  # taps


def check_ssim(ledger: Ledger, file: str) -> None:
    """Check ssim.npz."""
    sheet = ledger.sheet(file)
    for name in list(sheet.arrays):
        if name.startswith("target_"):
            _similarity(sheet, ledger.golden, name.removeprefix("target_"))


def _similarity(sheet: Sheet, golden: Golden, key: str) -> None:
    target, generated = (_images(sheet[f"{name}_{key}"]) for name in ("target", "generated"))
    size = size_of(key)
    mask = torch.from_numpy(unpack(sheet[f"mask_packed_{key}"], size[1]))
    old = ssim(generated, target, taps=_OLD)
    masked_old = mask_ssim(generated, target, mask, taps=_OLD)
    findings = [
        sheet.close(f"ssim_{key}", old, SSIM),
        sheet.close(f"ssim_swapped_{key}", ssim(target, generated, taps=_OLD), SSIM),
        sheet.close(f"ssim_modern_{key}", ssim(generated, target, taps=_MODERN), SSIM),
        sheet.close(f"l1_{key}", l1(generated, target), L1),
    ]
    masked = [
        sheet.close(f"ssim_masked_{key}", masked_old, SSIM),
        sheet.close(
            f"ssim_masked_modern_{key}", mask_ssim(generated, target, mask, taps=_MODERN), SSIM
        ),
    ]
    if f"ssim_mean_{key}" in sheet.arrays:
        findings.append(sheet.close(f"ssim_mean_{key}", old.mean(), SSIM))
    masked.append(_mask(sheet, golden, key, size))
    findings.append(sheet.same(f"data_range_{key}", _range(generated)))
    masked.append(sheet.same(f"data_range_masked_{key}", _range(generated * mask[:, None])))
    sheet.proved_by([f"target_{key}", f"generated_{key}"], findings + masked)
    pairs = zip(
        sheet[f"tags_{key}"].tolist(),
        sheet[f"target_{key}"],
        sheet[f"generated_{key}"],
        strict=True,
    )
    wrong = [f"{i}: {reason}" for i, pair in enumerate(pairs) if (reason := contradiction(*pair))]
    sheet.holds(f"tags_{key}", not wrong, "; ".join(wrong))


def _mask(sheet: Sheet, golden: Golden, key: str, size: tuple[int, int]) -> Finding:
    """Check the person masks against those of the pose file's first target poses."""
    poses = golden.arrays(f"poses_{key}.npz")
    count = len(sheet[f"mask_packed_{key}"])
    ambiguous = unpack(poses["ma_mask_ambiguous_packed"][:count], size[1])
    ours = person_mask(pose_of(poses["kp_to"][:count]), size)
    # On ambiguous pixels, use the reference's value, which both files contain.
    ours = np.where(ambiguous, unpack(poses["ma_mask_packed"][:count], size[1]), ours.numpy())
    return sheet.same_bits(f"mask_packed_{key}", ours)


def _images(stored: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(stored).permute(0, 3, 1, 2)


def _range(images: torch.Tensor) -> torch.Tensor:
    flat = images.flatten(1).long()
    return flat.amax(dim=1) - flat.amin(dim=1)


def check_inception_score(ledger: Ledger, file: str) -> None:
    """Check inception_score.npz."""
    sheet = ledger.sheet(file)
    probabilities = torch.from_numpy(sheet["preds"])
    prefix = "mean_std_splits"
    findings = [
        sheet.close(
            name,
            np.array(inception_score(probabilities, int(name.removeprefix(prefix)))),
            INCEPTION,
        )
        for name in sheet.arrays
        if name.startswith(prefix)
    ]
    sheet.proved_by(["preds"], findings)
    sums = probabilities.double().sum(dim=1).numpy()
    sheet.holds("preds", abs(sums - 1) <= INCEPTION, "every row must sum to 1")
