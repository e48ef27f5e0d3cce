"""draw_layers: figures of the layers of a picture."""

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from deformgan.draw.colours import checks, flow_colours
from deformgan.draw.pictures import enlarge_to, to_height
from deformgan.draw.sheets import GAP, above, titled
from deformgan.models.layers import Layers, resize, sample_at

HEIGHT = 512  # approximate height of a picture
RULED = 8  # pixels between grid lines
FULL = 8.0  # correction in pixels that is drawn in full colour


def draw_layers(layers: Layers, photo: Float[Tensor, "1 3 height width"]) -> dict[str, Image.Image]:
    """Draw the layers of a picture, and the field through which the photo is copied.

    Args:
        layers: Layers of one picture.
        photo: The source photo at the network's size.
    """
    fields, size = layers.fields, (photo.shape[2], photo.shape[3])
    person = layers.visible * layers.copy + (1 - layers.visible) * layers.paint
    shown = torch.sigmoid(fields.matte)
    # Large enough for thin lines; dimmed outside of the person.
    large = (4 * size[0], 4 * size[1])
    chart, light = ruled(photo, large), resize(0.2 + 0.8 * shown, large)
    correction = fields.source_from_target - fields.base
    planes = {
        "field_base": light * sample_at(chart, resize(fields.base, large), size),
        "field": light * sample_at(chart, resize(fields.source_from_target, large), size),
        "correction": flow_colours(correction * shown, FULL)[None],
        "source_matte": torch.sigmoid(fields.source_matte).expand(-1, 3, -1, -1),
        "copy": (layers.copy + 1) / 2,
        "visible": layers.visible.expand(-1, 3, -1, -1),
        "paint": (layers.paint + 1) / 2,
        "person": torch.lerp(checks(person), (person + 1) / 2, layers.matte),
        "matte": layers.matte.expand(-1, 3, -1, -1),
        "scene": (layers.scene + 1) / 2,
    }
    return {name: enlarge_to(plane[0], HEIGHT) for name, plane in planes.items()}


def arrange_layers(pictures: dict[str, Image.Image], height: int) -> Image.Image:
    """Arrange the layers in reading order, in two rows."""
    lines = (
        {
            "field_base": "7. The sampling field: the photo's grid, warped by the transforms.",
            "field": "8. The same field, corrected by a network.",
            "correction": f"9. The correction; full colour is {FULL:.0f} pixels.",
            "source_matte": "10. The matte of the photo's person; only the person is copied.",
            "copy": "11. The copy: the photo, sampled through the field.",
            "visible": "12. The weight of the copy.",
        },
        {
            "paint": "13. The paint, for the rest of the person.",
            "person": "14. The person: copy and paint.",
            "matte": "15. The matte: the opacity of the person.",
            "scene": "16. The painted scene.",
            "result": "17. The result: the person in front of the scene.",
        },
    )
    return above(
        [
            titled({title: to_height(pictures[name], height) for name, title in line.items()})
            for line in lines
        ],
        3 * GAP,
    )


def ruled(
    photo: Float[Tensor, "1 3 height width"], size: tuple[int, int]
) -> Float[Tensor, "1 3 rows columns"]:
    """Draw a grid of bright lines over an enlarged and darkened photo, in [0, 1].

    Args:
        photo: RGB in [-1, 1].
        size: Height and width of the picture. Lines are `RULED` pixels of the photo apart, and
            their colour encodes the position in the photo.
    """
    apart = RULED * size[0] // photo.shape[2]
    photo = resize(photo, size)
    y, x = (torch.arange(length, device=photo.device) for length in size)
    line = (x % apart < apart // 8) | (y[:, None] % apart < apart // 8)
    hue = torch.stack(torch.broadcast_tensors(x / len(x), 1 - y[:, None] / len(y)))
    colour = torch.cat([hue, torch.full_like(hue[:1], 0.5)])[None]
    return torch.where(line, 0.35 + 0.65 * colour, (photo + 1) / 2 * 0.75)
