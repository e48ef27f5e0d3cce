"""client_layers: what a client composes a picture from, as docs/export.md describes it."""

import torch
from torch import Tensor

from deformgan.models.layers import Layers, LayersConfig, sample_at
from deformgan.part_field import own_places


def client_layers(layers: Layers, config: LayersConfig) -> dict[str, Tensor]:
    """Convert layers to the outputs of the exported graph `pose`, by name.

    Args:
        layers: Generated at twice the network's size.
        config: Of the generator.
    """
    field = layers.fields.source_from_target
    net = (field.shape[2], field.shape[3])
    flow = field - own_places(net, field)
    person = sample_at(torch.sigmoid(config.decision[1] * layers.fields.source_matte), field, net)
    return {
        "flow": flow / flow.new_tensor(net[::-1])[:, None, None],
        "person": person if config.copy else person * 0,
        "paint": layers.paint,
        "scene": layers.scene,
        "logits": layers.logits * flow.new_tensor(config.decision)[:, None, None],
    }
