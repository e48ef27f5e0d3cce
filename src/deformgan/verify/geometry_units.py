"""Checks of single geometry functions: limb rectangles, polygons, head squares, affine fits."""

import numpy as np
import torch

from deformgan.affine import fit_affine
from deformgan.draw.raster import fill_polygon
from deformgan.parts import inside_polygon, limb_corners, square_mask
from deformgan.verify.checks import AllChecks, FileChecks
from deformgan.verify.tolerances import TRANSFORM


def check_geometry_units(all_checks: AllChecks, file: str) -> None:
    """Check geometry_units.npz."""
    checks = all_checks.of_file(file)
    _limbs(checks)
    _polygons(checks)
    _squares(checks)
    _fits(checks)


def _limbs(checks: FileChecks) -> None:
    parameters = torch.from_numpy(checks["poly_params"])
    unit, end_share, start_share, end_width, start_width = parameters.unbind(dim=1)

    def rectangle(width: torch.Tensor) -> torch.Tensor:
        return limb_corners(
            start=torch.from_numpy(checks["poly_fr"]),
            end=torch.from_numpy(checks["poly_to"]),
            half_width=unit * width,
            extension=end_share,
            start_extension=start_share,
        )

    # The authors' function also draws trapezoids, whose two ends are those of two rectangles.
    near, far = rectangle(start_width)[:, :2], rectangle(end_width)[:, 2:]
    found = checks.close("poly_out", torch.cat([near, far], dim=1), TRANSFORM)
    checks.proved_by(["poly_fr", "poly_to", "poly_params"], [found])


def _polygons(checks: FileChecks) -> None:
    corners = torch.from_numpy(checks["poly_xy"])
    height, packed_width = checks["grid_in_poly"].shape[1:]
    size = (height, 8 * packed_width)
    rows, columns = (torch.arange(length, dtype=corners.dtype) for length in size)
    inside = checks.same_bits("grid_in_poly", inside_polygon(corners, columns, rows))
    filled = checks.same_bits("draw_polygon", fill_polygon(corners, size))
    checks.proved_by(["poly_xy"], [inside, filled])


def _squares(checks: FileChecks) -> None:
    height, packed_width = checks["head_mask"].shape[1:]
    masks = square_mask(
        centre=torch.from_numpy(checks["head_center_xy"]).double(),
        half=torch.from_numpy(checks["head_border"]),
        size=(height, 8 * packed_width),
        convention="reference",
    )
    found = checks.same_bits("head_mask", masks)
    checks.proved_by(["head_center_xy", "head_border"], [found])


def _fits(checks: FileChecks) -> None:
    # scikit-image's "src" is the input of its transform: our target.
    target, source = (torch.from_numpy(checks[name]) for name in ("aff_src", "aff_dst"))
    transforms, fitted = fit_affine(
        source_points=source.nan_to_num(),
        target_points=target.nan_to_num(),
        used=~target.isnan().any(dim=-1),
        method="total",
    )
    last_row = transforms.new_tensor([0.0, 0.0, 1.0]).expand(len(transforms), 1, 3)
    ours = torch.cat([transforms, last_row], dim=1)
    found = checks.close("aff_out", torch.where(fitted[:, None, None], ours, torch.nan), TRANSFORM)
    checks.proved_by(["aff_src", "aff_dst"], [found])
    padded_alike = np.array_equal(np.isnan(checks["aff_src"]), np.isnan(checks["aff_dst"]))
    checks.holds("aff_dst", padded_alike, "both point sets must have the same padding")
