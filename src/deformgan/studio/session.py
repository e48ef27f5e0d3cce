"""Session: one client's photos, in memory only, and the replies to its requests."""

import json
import time
from collections.abc import Callable

import numpy as np

from deformgan.backbones.weights_header import parse_metadata
from deformgan.checkpoint import bundled_weights, find_weights_file
from deformgan.errors import InputError
from deformgan.files import read_safetensors_header
from deformgan.inputs import PosedPhoto
from deformgan.picture_metadata import PictureMetadata
from deformgan.pixels import Photo, to_photo
from deformgan.pose import Pose
from deformgan.predict import PoseTransfer
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.staging import Shown, Source
from deformgan.studio.engine import (
    find_poses,
    generate_planes,
    scene_of,
    show,
    to_joints,
    to_pose,
)
from deformgan.studio.protocol import Detect, Move, Open, Request, Scene, Use, pack
from deformgan.studio.uploads import read_upload

_LOGIT = 2048  # steps per unit in which logits are sent
_MOST_LOGIT = 15.99


class Shelf:
    """The weights that can be chosen, loaded when first used.

    Args:
        first: Name or path of the weights to begin with.
        load: Loads weights by name or path.

    Raises:
        InputError: If there are no such weights, or the page cannot use them.
    """

    def __init__(self, first: str, load: Callable[[str], PoseTransfer] | None = None):
        self._load = load or (lambda name: PoseTransfer.from_pretrained(name, background=False))
        self._loaded: dict[str, PoseTransfer] = {}
        self.names = [first, *(name for name in _usable() if name != first)]
        self.of(first)

    def of(self, name: str) -> PoseTransfer:
        """Return weights.

        Raises:
            InputError: If they are not on the shelf.
        """
        if name not in self.names:
            raise InputError(f"There are no weights {name!r}.")
        if name not in self._loaded:
            transfer = self._load(name)
            if transfer.skeleton.name != OPENPOSE18.name:
                raise InputError(
                    f"The weights {name} have the skeleton {transfer.skeleton.name}; the studio "
                    f"edits {OPENPOSE18.name}."
                )
            self._loaded[name] = transfer
        return self._loaded[name]

    def about(self) -> dict:
        """Return what a page must know of the weights."""
        first = self._loaded[self.names[0]]
        return {
            "weights": self.names,
            "layered": first.layered,
            "size": list(first.size),
            "stated": {name: self._metadata(name).as_dict() for name in self.names},
        }

    def _metadata(self, name: str) -> PictureMetadata:
        """Return what pictures of weights state, without loading the weights."""
        if name in self._loaded:
            return self._loaded[name].metadata
        path = find_weights_file(name)
        return PictureMetadata.of(name, parse_metadata(path, read_safetensors_header(path)[1]))


def _usable() -> list[str]:
    """List the bundled weights that need no background as an input."""
    names = []
    for name in bundled_weights():
        _, described = read_safetensors_header(find_weights_file(name))
        if not json.loads(described["config"]).get("background"):
            names.append(name)
    return names


class Session:
    """Photos of one client, which are gone with it. Not for several threads at once."""

    def __init__(self, shelf: Shelf):
        self._shelf = shelf
        self._transfer = shelf.of(shelf.names[0])
        self._photos: dict[int, Photo] = {}
        self._people: list[Source] = []
        self._rows = self._transfer.size[0]

    def answer(self, request: Request, payload: bytes | memoryview) -> bytes:
        """Return the reply to a request; what a user can fix is a reply too."""
        try:
            header, *parts = self._answer(request, payload)
        except InputError as error:
            header, parts = {"error": str(error)}, []
        return pack({"n": request.n, **header}, *parts)

    def _answer(self, request: Request, payload: bytes | memoryview) -> tuple:
        match request:
            case Open():
                photo = read_upload(payload)
                found = self._found(photo) if request.find else {}
                if not request.find or found["people"]:  # else the photo before stays
                    self._photos[request.slot] = photo
                return (found,)
            case Detect():
                return (self._found(read_upload(payload)),)
            case Use():
                return self._use(request)
            case Move():
                return self._move(to_pose(request.pose))
            case Scene():
                return self._scene()

    def _found(self, photo: Photo) -> dict:
        people = find_poses(self._transfer, photo)
        return {"size": list(photo.shape[:2]), "people": [to_joints(pose) for pose in people]}

    def _use(self, request: Use) -> tuple:
        transfer = self._shelf.of(request.weights)
        if not transfer.layered and len(request.poses) > 1:
            raise InputError(f"The weights {request.weights} take one photo only.")
        people = []
        for slot, joints in enumerate(request.poses):
            if slot not in self._photos:
                raise InputError(f"There is no photo {slot + 1}.")
            photo, pose = self._photos[slot], to_pose(joints)
            transfer.staging.check_torso("source", pose)
            people.append(Source(pose, (photo.shape[0], photo.shape[1]), photo))
        self._transfer, self._people = transfer, people
        self._rows = request.rows if transfer.layered else transfer.size[0]
        about = {"layered": transfer.layered, "size": list(transfer.size), "rows": self._rows}
        if not transfer.layered:
            view, _ = transfer.staging.frame(people[0], people[0])
            return ({**about, "photos": [to_joints(view.pose)]},)
        shown = self._shown(people[0].pose)  # the source alone matters here
        photos, pixels = [], []
        for one in shown:
            height, width = one.view.image.shape[2:]
            scale = transfer.size[0] / height
            pose = Pose((one.view.pose.joints + 0.5) * scale - 0.5, one.view.pose.visible)
            photos.append({"height": height, "width": width, **to_joints(pose)})
            pixels.append(to_photo(one.view.image[0]).tobytes())
        return ({**about, "photos": photos}, *pixels)

    def _shown(self, target: Pose) -> list[Shown]:
        if not self._people:
            raise InputError("There is no photo yet.")
        return show(self._transfer, self._people, target, self._rows)

    def _move(self, target: Pose) -> tuple:
        started = time.perf_counter()
        if not self._transfer.layered:
            if not self._people:
                raise InputError("There is no photo yet.")
            (picture,) = self._transfer.generate(
                self._people, PosedPhoto(target, self._transfer.size)
            )
            parts, header = [picture.tobytes()], {"picture": list(picture.shape[:2])}
        else:
            parts, net = [], (0, 0)
            for shown in self._shown(target):
                planes = generate_planes(self._transfer, shown)
                net = planes.field.shape[:2]
                steps = np.rint(planes.logits.clip(-_MOST_LOGIT, _MOST_LOGIT) * _LOGIT)
                parts += [planes.field.astype("<f4").tobytes(), steps.astype("<i2").tobytes()]
                parts += [planes.paint.tobytes(), planes.scene.tobytes()]
            header = {"net": list(net)}
        milliseconds = (time.perf_counter() - started) * 1000
        return ({**header, "ms": round(milliseconds, 1)}, *parts)

    def _scene(self) -> tuple:
        if not self._transfer.layered or not self._people:
            raise InputError("These weights paint their own background.")
        picture = scene_of(self._transfer, self._shown(self._people[0].pose)[0])
        return ({"scene": list(picture.shape[:2])}, picture.tobytes())
