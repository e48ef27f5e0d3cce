"""Checks of the deformable skip on single levels: nearest and bilinear, forward and backward."""

import numpy as np
import torch

from deformgan.affine import normalize
from deformgan.deformable_skip import Aggregation, Interpolation, warp_parts
from deformgan.parts import part_masks
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.verify.checks import AllChecks, FileChecks, Finding
from deformgan.verify.golden import Golden, size_of, unpack
from deformgan.verify.poses import NO_POINT, pose_of
from deformgan.verify.tolerances import TRANSFORM, WARP

# Features are stored as multiples of 1/16, which nearest sampling preserves.
_UNIT = 16
# Distance in pixels from a half within which the nearest neighbour depends on rounding.
HALF = 1e-3
_INVERSE_WARP = "TensorFlow's inverse-warp gradient; the exact adjoint beside it counts"


def check_warp(all_checks: AllChecks, file: str) -> None:
    """Check warp.npz."""
    checks = all_checks.of_file(file)
    keys = [
        name.removeprefix("feat_x16_") for name in checks.arrays if name.startswith("feat_x16_")
    ]
    for full in dict.fromkeys(key.partition("_of_")[2] for key in keys):
        _check_pairs(checks, all_checks.golden, full)
    for key in keys:
        _check_masks(checks, all_checks.golden, key)
        _Level(checks, key).check()


def transforms_of(vectors: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Convert the reference's (N, P, 8) vectors to (N, P, 2, 3), and return which are valid."""
    found = ~np.isnan(vectors).any(axis=-1) & (vectors != np.array(NO_POINT)).any(axis=-1)
    transforms = torch.from_numpy(vectors[..., :6]).unflatten(-1, (2, 3))
    identity = torch.eye(2, 3, dtype=transforms.dtype)
    found = torch.from_numpy(found)
    return torch.where(found[..., None, None], transforms, identity), found


def _check_pairs(checks: FileChecks, golden: Golden, full: str) -> None:
    """Check the arrays that are copies from the pose file."""
    poses, ids = golden.arrays(f"poses_{full}.npz"), checks[f"pair_ids_{full}"]
    repeated = [
        checks.close(f"affine_{full}", poses["affine"][ids], TRANSFORM),
        checks.close(f"uniform_{full}", poses["uniform"][ids], TRANSFORM),
        checks.same(f"masks_packed_{full}", poses["masks_packed"][ids]),
    ]
    checks.proved_by([f"pair_ids_{full}"], repeated)


def _check_masks(checks: FileChecks, golden: Golden, key: str) -> None:
    """Check the part masks at one level."""
    full = key.partition("_of_")[2]
    size = size_of(full)
    stride = size[0] // checks[f"feat_x16_{key}"].shape[1]
    poses, ids = golden.arrays(f"poses_{full}.npz"), checks[f"pair_ids_{full}"]
    stored, ambiguous = (
        unpack(packed, size[1])[:, :, ::stride, ::stride]
        for packed in (checks[f"masks_packed_{full}"], poses["masks_ambiguous_packed"][ids])
    )
    target = pose_of(poses["kp_to"][ids])
    masks = part_masks(target, OPENPOSE18, size, stride, convention="reference").numpy()
    # On ambiguous pixels, the level must agree with the full resolution.
    checks.same_bits(f"mask_level_packed_{key}", np.where(ambiguous, stored, masks))


class _Level:
    """Features of one resolution and image size, with the transforms of their pairs."""

    def __init__(self, checks: FileChecks, key: str):
        self.checks, self.key = checks, key
        full = key.partition("_of_")[2]
        self.inputs = [f"feat_x16_{key}", f"affine_{full}", f"uniform_{full}"]
        features, self.parts, self.whole = (checks[name] for name in self.inputs)
        self.features = torch.from_numpy(features).double().permute(0, 3, 1, 2) / _UNIT
        self.image_size = size_of(full)
        self.stride = self.image_size[0] // self.features.shape[-2]
        self.masks = self._bits("mask_level")
        self.uncertain = self._bits("ambiguous")

    def check(self) -> None:
        """Check every array of the level except its masks."""
        findings = [*self._nearest(), *self._bilinear(), *self._ambiguity()]
        if f"grad_exact_{self.key}" in self.checks.arrays:
            findings += self._backward()
        self.checks.proved_by(self.inputs, findings)

    def _nearest(self) -> list[Finding]:
        everywhere = torch.ones_like(self.masks)
        unmasked = self._warp(self.parts, everywhere)
        whole = self._warp(self.whole, everywhere[:, :1])
        findings = [
            self._whole_numbers("max", self._warp(self.parts, self.masks), self.uncertain),
            self._whole_numbers("max_nomask", unmasked, self._bits("ambiguous_nomask")),
            self._whole_numbers("full", whole, self._bits("ambiguous_full")),
        ]
        if f"parts_x16_{self.key}" in self.checks.arrays:
            parts = [
                self._warp(self.parts[:, [part]], self.masks[:, [part]])
                for part in range(self.masks.shape[1])
            ]
            stacked = torch.stack(parts, dim=2)  # (B, C, P, h, w)
            findings.append(self._whole_numbers("parts", stacked, self.uncertain))
        if f"avg_{self.key}" in self.checks.arrays:
            average = self._warp(self.parts, self.masks, aggregation="average")
            where = ~self.uncertain[..., None].expand(average.movedim(1, -1).shape)
            findings.append(
                self.checks.close(f"avg_{self.key}", average.movedim(1, -1), WARP, where.numpy())
            )
        return findings

    def _bilinear(self) -> list[Finding]:
        name = f"bilinear_max_{self.key}"
        warped = self._warp(self.parts, self.masks, interpolation="bilinear").movedim(1, -1)
        step = warped.shape[1] // self.checks[name].shape[1]  # large levels are subsampled
        return [self.checks.close(name, warped[:, ::step, ::step], WARP)]

    def _backward(self) -> list[Finding]:
        """Check the gradient, except where it depends on rounding."""
        names = [f"{name}_{self.key}" for name in ("grad_upstream", "grad_exact", "grad_tf")]
        upstream = torch.from_numpy(self.checks[names[0]]).double().movedim(-1, 1)
        moving = self.features.clone().requires_grad_()
        warped = self._warp(self.parts, self.masks, features=moving)
        (gradient,) = torch.autograd.grad(warped, moving, upstream)
        # Bilinear sampling of all parts reaches every neighbour that rounding could select.
        spread = self._warp(self.parts, self.masks, "bilinear", "average", features=moving)
        uncertain = self.uncertain[:, None].to(spread).expand_as(spread)
        (reached,) = torch.autograd.grad(spread, moving, uncertain)
        found = self.checks.close(
            names[1],
            gradient.movedim(1, -1),
            WARP * float(np.abs(self.checks[names[1]]).max()),
            where=reached.eq(0).movedim(1, -1).numpy(),
        )
        self.checks.proved_by(names[:1], [found])
        self.checks.exclude(names[2], _INVERSE_WARP)
        return [found]

    def _ambiguity(self) -> list[Finding]:
        """Check which pixels depend on rounding: with masks, without masks, and globally."""
        parts, whole = self._near_half(self.parts), self._near_half(self.whole)
        return [
            self.checks.same_bits(f"ambiguous_packed_{self.key}", (parts & self.masks).any(dim=1)),
            self.checks.same_bits(f"ambiguous_nomask_packed_{self.key}", parts.any(dim=1)),
            self.checks.same_bits(f"ambiguous_full_packed_{self.key}", whole.any(dim=1)),
        ]

    def _near_half(self, vectors: np.ndarray) -> torch.Tensor:
        rows, columns = (torch.arange(length).double() for length in self.features.shape[-2:])
        matrix = torch.from_numpy(vectors[..., :6]).unflatten(-1, (2, 3))
        across, down, offset = matrix[..., None, None].unbind(dim=-3)  # (B, P, 2, 1, 1) each
        place = across * columns + down * rows[:, None] + offset / self.stride
        return ((place - place.floor() - 0.5).abs() < HALF).any(dim=2)

    def _warp(
        self,
        vectors: np.ndarray,
        masks: torch.Tensor,
        interpolation: Interpolation = "nearest",
        aggregation: Aggregation = "max",
        features: torch.Tensor | None = None,
    ) -> torch.Tensor:
        transforms, found = transforms_of(vectors)
        return warp_parts(
            self.features if features is None else features,
            normalize(transforms, self.image_size, frame="strided", stride=self.stride),
            masks & found[..., None, None],
            interpolation,
            aggregation,
        )

    def _whole_numbers(self, name: str, ours: torch.Tensor, uncertain: torch.Tensor) -> Finding:
        ours = (ours * _UNIT).movedim(1, -1)  # channels last
        if ours.ndim == 5:
            ours = ours.movedim(1, -2)  # parts next to channels
        where = ~uncertain.view(*uncertain.shape, *[1] * (ours.ndim - 3)).expand(ours.shape)
        return self.checks.same(f"{name}_x16_{self.key}", ours.round(), where.numpy())

    def _bits(self, name: str) -> torch.Tensor:
        packed = self.checks[f"{name}_packed_{self.key}"]
        return torch.from_numpy(unpack(packed, self.features.shape[-1]))
