"""The studio's server: one page's messages, and those that no page sends."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.datasets.bundled_people import bundled_people
from deformgan.errors import InputError
from deformgan.export.decode import compose
from deformgan.inputs import PosedPhoto
from deformgan.pose import Pose
from deformgan.studio.mailbox import MOST_WAITING, Mailbox
from deformgan.studio.protocol import MessageError, pack, read_request, unpack
from deformgan.studio.session import Session, Shelf
from deformgan.studio.uploads import read_upload

fastapi = pytest.importorskip("fastapi", reason="needs the extra 'web': uv sync --extra web")


@pytest.fixture(scope="module")
def shelf():
    return Shelf("pedestrian")


def ask(session, payload=b"", **request):
    request, payload = read_request(pack({"n": 7, **request}, payload))
    header, content = unpack(session.answer(request, payload))
    assert header.pop("n") == 7
    return header, bytes(content)


def person():
    return bundled_people()[9][0]  # of the network's size, so that nothing is cropped


def example():
    pose = person().pose
    return {"joints": pose.joints[0].tolist(), "visible": pose.visible[0].tolist()}


def test_composed_layers_equal_the_picture_of_python(shelf):
    session, rows = Session(shelf), 256
    ask(session, person().path.read_bytes(), do="open", slot=0)
    used, pixels = ask(session, do="use", poses=[example()], rows=rows, weights="pedestrian")
    (photo,) = used["photos"]
    target = {"joints": photo["joints"], "visible": photo["visible"]}
    target["joints"][4][1] -= 30
    moved, content = ask(session, do="move", pose=target)
    height, width = moved["net"]
    parts, at = [], 0
    for kind, deep, scale in (("<f4", 3, 1), ("<i2", 2, 2), ("u1", 3, 2), ("u1", 3, 2)):
        shape = (scale * height, scale * width, deep)
        length = int(np.prod(shape)) * np.dtype(kind).itemsize
        parts.append(np.frombuffer(content[at : at + length], kind).reshape(shape))
        at += length
    assert at == len(content)
    field, logits, paint, scene = (part.astype(float).transpose(2, 0, 1)[None] for part in parts)
    layers = {"flow": field[:, :2], "person": field[:, 2:], "logits": logits / 2048}
    layers |= {"paint": paint / 127.5 - 1, "scene": scene * 0 - 1}  # in front of black
    shape = (photo["height"], photo["width"], 3)
    source = np.frombuffer(pixels, "u1").reshape(shape).transpose(2, 0, 1) / 127.5 - 1
    picture = (compose(layers, source, (rows, rows // 2)).transpose(1, 2, 0) + 1) * 127.5

    transfer = shelf.of("pedestrian")
    pose = Pose(torch.tensor([target["joints"]]), torch.tensor([target["visible"]]))
    known = PosedPhoto(person().pose, (128, 64), person().photo)
    (wanted,) = transfer.generate(
        [known], PosedPhoto(pose, (128, 64)), size=rows, background="#000000"
    )
    assert np.abs(picture.round() - wanted).max() <= 2


def test_wrong_uploads_are_one_sentence_and_change_nothing(shelf):
    session = Session(shelf)
    for content in (b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0"):
        found, _ = ask(session, content, do="open", slot=0)
        assert "cannot be read" in found["error"]
    found, _ = ask(session, do="use", poses=[example()], rows=128, weights="pedestrian")
    assert found["error"] == "There is no photo 1."
    found, _ = ask(session, do="move", pose=example())
    assert found["error"] == "There is no photo yet."
    found, _ = ask(session, do="use", poses=[example()], rows=128, weights="../secret")
    assert "no weights" in found["error"]


@pytest.mark.parametrize("side", [8_000, 10_000, 40_000])
def test_a_photo_of_too_many_pixels_is_refused_before_it_is_decoded(side):
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    sums = [struct.pack(">I", zlib.crc32(part)) for part in (head, b"IDAT")]
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + sums[0]
    with pytest.raises(InputError, match="pixels"):
        read_upload(content + bytes(4) + b"IDAT" + sums[1])


@pytest.mark.parametrize("suffix", ["JPEG", "PNG", "WEBP", "BMP", "AVIF"])
def test_photos_are_recognized_by_content(suffix):
    out = io.BytesIO()
    Image.fromarray(person().photo).save(out, suffix)
    assert read_upload(out.getvalue()).shape == (128, 64, 3)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x00\x00",
        b"\xff\xff\xff\xff{}",
        pack({}),
        pack({"n": 1, "do": "format the disk"}),
        pack({"n": -1, "do": "scene"}),
        pack({"n": 1, "do": "move", "pose": {"joints": [[0, 0]] * 17, "visible": [True] * 18}}),
        b"\x03\x00\x00\x00[1]",
        (9999).to_bytes(4, "little") + b"[" * 9999,
        b'\x49\x00\x00\x00{"n":1,"do":"move","pose":{"joints":[[NaN,0]],"visible":[true]}}        ',
    ],
)
def test_messages_that_no_page_sends_are_refused(message):
    with pytest.raises(MessageError):
        read_request(message)


def test_only_the_latest_pose_waits():
    mailbox, pose = Mailbox(), example()
    requests = [read_request(pack({"n": n, "do": "move", "pose": pose}))[0] for n in range(3)]
    assert mailbox.put(requests[0], b"") is None
    assert mailbox.put(requests[1], b"") is requests[0]
    assert mailbox.put(requests[2], b"") is requests[1]
    scene, _ = read_request(pack({"n": 9, "do": "scene"}))
    for _ in range(MOST_WAITING - 1):
        mailbox.put(scene, b"")
    with pytest.raises(MessageError, match="too many"):
        mailbox.put(scene, b"")


def test_the_server_speaks_over_one_websocket_and_ships_no_file_but_the_page(shelf):
    from fastapi.testclient import TestClient
    from starlette.websockets import WebSocketDisconnect

    from deformgan.serving.guard import Guard
    from deformgan.studio.server import HEADERS, LIMITS, create_app

    guarded = Guard(create_app(shelf), limits=LIMITS, headers=HEADERS)
    client = TestClient(guarded, base_url="http://localhost")
    about = client.get("/about.json").json()
    assert (about["engine"], about["weights"][0]) == ("server", "pedestrian")
    assert "unsafe-inline" not in client.get("/").headers["content-security-policy"]
    assert client.get("/app.js").headers["content-type"].startswith("text/javascript")
    for name in ("server.py", "..%2fserver.py", "../session.py", "page", "x.js"):
        assert client.get(f"/{name}").status_code == 404
    with client.websocket_connect("ws://localhost/live") as socket:
        socket.send_bytes(pack({"n": 1, "do": "open", "slot": 0}, b"no photo"))
        header, _ = unpack(socket.receive_bytes())
        assert "cannot be read" in header["error"]
        socket.send_bytes(b"garbage")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_bytes()
        assert closed.value.code == 1003
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(
            "ws://localhost/live", headers={"origin": "http://elsewhere.example"}
        ),
    ):
        pass
    assert json.loads(client.get("/about.json").text)["example"]["size"] == [640, 320]
