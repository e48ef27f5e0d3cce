"""Engine: layers of pictures from photos and poses, as the studio's page composes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from deformgan.export.client_layers import client_layers
from deformgan.framing import Framing
from deformgan.inputs import PosedPhoto, detect_people
from deformgan.models.layers import resize_pose
from deformgan.pixels import Photo, to_bytes
from deformgan.pose import Pose
from deformgan.predict import PoseTransfer
from deformgan.scene import frame_scene
from deformgan.staging import Shown, Source
from deformgan.studio.protocol import Joints


@dataclass(frozen=True)
class Planes:
    """The layers that one photo contributes to a picture; see docs/export.md.

    Attributes:
        field: flow (x, y) and person.
        paint: RGB of the painted person.
        scene: RGB of the painted background.
        logits: Of the copy's opacity, and of the person's.
    """

    field: Float[np.ndarray, "height width 3"]
    paint: UInt8[np.ndarray, "height*2 width*2 3"]
    scene: UInt8[np.ndarray, "height*2 width*2 3"]
    logits: Float[np.ndarray, "height*2 width*2 2"]


def to_pose(joints: Joints) -> Pose:
    """Return the pose of a message."""
    return Pose(torch.tensor([joints.joints]), torch.tensor([joints.visible]))


def to_joints(pose: Pose) -> dict[str, list]:
    """Return one pose for a message, rounded to a thousandth of a pixel."""
    places = [[round(value, 3) for value in place] for place in pose.joints[0].tolist()]
    return {"joints": places, "visible": pose.visible[0].tolist()}


def find_poses(transfer: PoseTransfer, photo: Photo) -> list[Pose]:
    """Detect everyone in a photo, largest first."""
    return [one.pose for one in detect_people(photo, transfer.detector)]


def show(transfer: PoseTransfer, people: Sequence[Source], target: Pose, rows: int) -> list[Shown]:
    """Frame photos for pictures of some rows.

    Args:
        transfer: With layers.
        people: Photos of one person.
        target: In pixels of the model's image: the picture shows exactly that, without framing.
        rows: Height of the pictures.
    """
    return transfer.staging.show_all(people, PosedPhoto(target, transfer.size), rows)


def scene_of(transfer: PoseTransfer, shown: Shown) -> Photo:
    """Return the scene of a source photo without its person, as the picture frames it.

    The camera stays where it was: what `PoseTransfer` does with "source", to keep the feet in
    place, would move the scene with every dragged joint.
    """
    emptied = transfer.staging.empty_source(shown.source)
    whole = Framing.padded(transfer.size, shown.size)
    return frame_scene(emptied, whole if shown.whole else shown.crop.at(shown.size))


@torch.inference_mode()
def generate_planes(transfer: PoseTransfer, shown: Shown) -> Planes:
    """Generate the layers of one photo in the target pose.

    Args:
        transfer: With layers.
        shown: The photo and the pose; what it alone determines is computed once.
    """
    generator, config = transfer.generator, transfer.generator.config.layers
    assert config is not None
    encoded = transfer.encode(shown, scene=False)
    net, before = encoded.size, (encoded.photo.shape[2], encoded.photo.shape[3])
    targets = resize_pose(shown.targets, shown.size, before).to(encoded.image.device)
    layers = generator.layers(encoded, targets, (2 * net[0], 2 * net[1]))
    planes = client_layers(layers, config)

    def last(plane: torch.Tensor) -> np.ndarray:
        return np.ascontiguousarray(plane[0].permute(1, 2, 0).cpu().numpy())

    return Planes(
        last(torch.cat([planes["flow"], planes["person"]], dim=1)),
        last(to_bytes(planes["paint"])),
        last(to_bytes(planes["scene"])),
        last(planes["logits"]),
    )
