"""Messages between the studio's page and its server: a JSON header, then bytes.

A message is one binary frame: the length of the header (4 bytes, little-endian), the header as
UTF-8, and a payload whose layout the header gives. Every request has a number `n`, and exactly one
reply with the same number.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.staging import MOST_ROWS

MOST_BYTES = 32 << 20  # of a photo as a file
MOST_HEADER = 1 << 16
_JOINTS = len(OPENPOSE18.joints)

Place = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]
Slot = Literal[0, 1]


class MessageError(ValueError):
    """A message that no page of ours sends."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Joints(_Strict):
    """A pose.

    Attributes:
        joints: (x, y) of every joint of `openpose18`, in pixels.
        visible: Whether each is visible.
    """

    joints: Annotated[list[tuple[Place, Place]], Field(min_length=_JOINTS, max_length=_JOINTS)]
    visible: Annotated[list[bool], Field(min_length=_JOINTS, max_length=_JOINTS)]


class _Request(_Strict):
    n: Annotated[int, Field(ge=0, lt=1 << 53)]


class Open(_Request):
    """Keep a photo, which is the payload, and find the people in it unless they are known."""

    do: Literal["open"]
    slot: Slot
    find: bool = True


class Detect(_Request):
    """Find the people in a photo, which is the payload, without keeping it."""

    do: Literal["detect"]


class Use(_Request):
    """Prepare photos in slots 0, or 0 and 1, for pictures of some rows.

    Attributes:
        poses: The person's pose in each photo, in its pixels.
        rows: Height of the pictures.
        weights: Name of the weights.
    """

    do: Literal["use"]
    poses: Annotated[list[Joints], Field(min_length=1, max_length=2)]
    rows: Annotated[int, Field(ge=16, le=MOST_ROWS)]
    weights: Annotated[str, Field(max_length=200)]


class Move(_Request):
    """Generate the layers of a pose, in pixels of the model's image."""

    do: Literal["move"]
    pose: Joints


class Scene(_Request):
    """Return the scene of the first photo without its person."""

    do: Literal["scene"]


Request = Open | Detect | Use | Move | Scene
_REQUEST = TypeAdapter(Annotated[Request, Field(discriminator="do")])


def pack(header: dict[str, Any], *payload: bytes) -> bytes:
    """Return a message."""
    text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    return b"".join([len(text).to_bytes(4, "little"), text, *payload])


def unpack(message: bytes) -> tuple[dict[str, Any], memoryview]:
    """Split a message into header and payload.

    Raises:
        MessageError: If it is not one.
    """
    length = int.from_bytes(message[:4], "little")
    if len(message) < 4 or length > min(MOST_HEADER, len(message) - 4):
        raise MessageError("the message has no header")
    try:
        header = json.loads(message[4 : 4 + length])
    except (ValueError, RecursionError):
        raise MessageError("the header is not JSON") from None
    if not isinstance(header, dict):
        raise MessageError("the header is not an object")
    return header, memoryview(message)[4 + length :]


def read_request(message: bytes) -> tuple[Request, memoryview]:
    """Return a request and its payload.

    Raises:
        MessageError: If it is not one.
    """
    header, payload = unpack(message)
    try:
        return _REQUEST.validate_python(header), payload
    except ValidationError as error:
        raise MessageError(error.errors()[0]["msg"]) from None
