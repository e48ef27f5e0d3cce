"""Checks of single geometry functions: limb rectangles, polygons, head squares, affine fits."""

import numpy as np
import torch

from deformgan.affine import fit_affine
from deformgan.draw.raster import fill_polygon
from deformgan.parts import inside_polygon, limb_corners, square_mask
from deformgan.verify.sheet import Ledger, Sheet
from deformgan.verify.tolerances import TRANSFORM


def check_geometry_units(ledger: Ledger, file: str) -> None:
    """Check geometry_units.npz."""
    sheet = ledger.sheet(file)
    _limbs(sheet)
    _polygons(sheet)
    _squares(sheet)
    _fits(sheet)


def _limbs(sheet: Sheet) -> None:
    parameters = torch.from_numpy(sheet["poly_params"])
    unit, end_share, start_share, end_width, start_width = parameters.unbind(dim=1)

    def rectangle(width: torch.Tensor) -> torch.Tensor:
        return limb_corners(
            start=torch.from_numpy(sheet["poly_fr"]),
            end=torch.from_numpy(sheet["poly_to"]),
            half_width=unit * width,
            extension=end_share,
            start_extension=start_share,
        )

    # The authors' function also draws trapezoids, whose two ends are those of two rectangles.
    near, far = rectangle(start_width)[:, :2], rectangle(end_width)[:, 2:]
    found = sheet.close("poly_out", torch.cat([near, far], dim=1), TRANSFORM)
    sheet.proved_by(["poly_fr", "poly_to", "poly_params"], [found])


def _polygons(sheet: Sheet) -> None:
    corners = torch.from_numpy(sheet["poly_xy"])
    height, packed_width = sheet["grid_in_poly"].shape[1:]
    size = (height, 8 * packed_width)
    rows, columns = (torch.arange(length, dtype=corners.dtype) for length in size)
    inside = sheet.same_bits("grid_in_poly", inside_polygon(corners, columns, rows))
    filled = sheet.same_bits("draw_polygon", fill_polygon(corners, size))
    sheet.proved_by(["poly_xy"], [inside, filled])


def _squares(sheet: Sheet) -> None:
    height, packed_width = sheet["head_mask"].shape[1:]
    masks = square_mask(
        centre=torch.from_numpy(sheet["head_center_xy"]).double(),
        half=torch.from_numpy(sheet["head_border"]),
        size=(height, 8 * packed_width),
        convention="reference",
    )
    found = sheet.same_bits("head_mask", masks)
    sheet.proved_by(["head_center_xy", "head_border"], [found])


def _fits(sheet: Sheet) -> None:
    # scikit-image's "src" is the input of its transform: our target.
    target, source = (torch.from_numpy(sheet[name]) for name in ("aff_src", "aff_dst"))
    transforms, fitted = fit_affine(
        source_points=source.nan_to_num(),
        target_points=target.nan_to_num(),
        used=~target.isnan().any(dim=-1),
        method="total",
    )
    last_row = transforms.new_tensor([0.0, 0.0, 1.0]).expand(len(transforms), 1, 3)
    ours = torch.cat([transforms, last_row], dim=1)
    found = sheet.close("aff_out", torch.where(fitted[:, None, None], ours, torch.nan), TRANSFORM)
    sheet.proved_by(["aff_src", "aff_dst"], [found])
    padded_alike = np.array_equal(np.isnan(sheet["aff_src"]), np.isnan(sheet["aff_dst"]))
    sheet.holds("aff_dst", padded_alike, "both point sets must have the same padding")
