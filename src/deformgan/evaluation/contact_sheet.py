"""contact_sheet: pictures of several systems side by side, one pair per row."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

GAP, HEADER = 6, 26
INK, PAPER = (40, 40, 40), 255


def contact_sheet(
    columns: Mapping[str, UInt8[Tensor, "rows 3 height width"]], strips: int = 1, zoom: int = 2
) -> Image.Image:
    """Arrange pictures in a grid with column titles.

    Args:
        columns: Pictures by column title, one per row.
        strips: Number of rows placed side by side.
        zoom: Integer magnification of the pictures.
    """
    pictures = torch.stack(list(columns.values()), dim=1).cpu()  # (rows, columns, 3, H, W)
    pictures = pictures.repeat_interleave(zoom, -1).repeat_interleave(zoom, -2)
    pictures = F.pad(pictures, (GAP, GAP, GAP, GAP), value=PAPER)
    rows = pictures.permute(0, 2, 3, 1, 4).flatten(3, 4)  # (rows, 3, H, columns * W)
    rows = F.pad(rows, (GAP, GAP), value=PAPER)
    blank = torch.full_like(rows[:1], PAPER).expand(-len(rows) % strips, -1, -1, -1)
    rows = torch.cat([rows, blank])
    grid = rows.unflatten(0, (-1, strips)).permute(0, 3, 1, 4, 2)  # (lines, H, strips, W, 3)
    sheet = np.full((HEADER + grid.shape[0] * grid.shape[1], strips * grid.shape[3], 3), PAPER)
    sheet[HEADER:] = grid.flatten(2, 3).flatten(0, 1).numpy()
    image = Image.fromarray(sheet.astype(np.uint8))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    cell = pictures.shape[-1]
    for strip in range(strips if len(columns) else 0):
        left = strip * grid.shape[3] + GAP
        for place, name in enumerate(columns):
            middle = left + (place + 0.5) * cell
            draw.text((middle, HEADER / 2 + 3), name, INK, font, anchor="mm")
    return image
