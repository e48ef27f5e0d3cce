"""The study's server, asked as the page asks it."""

import io
import sqlite3

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs the extra 'web': uv sync --extra web")

from fastapi.testclient import TestClient

from deformgan.cli.main import main
from deformgan.serving.guard import Guard
from deformgan.serving.limits import Limits
from deformgan.study.config import read_study
from deformgan.study.server import create_app
from deformgan.study.store import Store


@pytest.fixture
def served(make_study):
    def serve(*words, **more):
        store = Store(read_study(make_study(*words, **more)))
        guarded = Guard(create_app(store), limits=Limits())
        return store, TestClient(guarded, base_url="http://localhost", client=("192.0.2.1", 1))

    return serve


def test_the_page_is_our_own_and_asks_nobody_else(served):
    _, client = served()
    page = client.get("/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    for inline in ("<style", "<script>", " style=", " onclick=", "javascript:"):
        assert inline not in page.text
    for path in ("page/study.css", "page/study.js"):
        assert path in page.text
        text = client.get(f"/{path}").text
        assert "http://" not in text
        assert "https://" not in text
        assert "//cdn" not in text
    assert "http" not in page.text.replace("http-equiv", "")
    assert client.get("/page/index.html").status_code == 404
    assert client.get("/page/..%2fserver.py").status_code == 404


def test_nothing_tells_a_real_picture_from_a_generated_one(served):
    store, client = served()
    who = client.post("/api/participants").json()["id"]
    seen = []
    for position in range(3):
        response = client.get(f"/api/participants/{who}/items/{position}/single.png")
        assert response.headers["content-type"] == "image/png"
        seen.append((store.item(who, position).kind, len(response.content)))
        with Image.open(io.BytesIO(response.content)) as image:
            assert image.size == (64, 128)
            assert not image.info
        headers = "".join(f"{k}{v}" for k, v in response.headers.items()).lower()
        assert not any(word in headers for word in ("real", "generated", "last-modified", "etag"))
    assert len({size for _, size in seen}) == 1  # nor their size in bytes


def test_pictures_come_in_turn(served):
    _, client = served()
    who = client.post("/api/participants").json()["id"]
    assert client.get(f"/api/participants/{who}/items/2/single.png").status_code == 200
    assert client.get(f"/api/participants/{who}/items/3/single.png").status_code == 409
    assert client.get(f"/api/participants/{who}/items/0/left.png").status_code == 404
    assert client.get("/api/participants/x/items/0/single.png").status_code == 404
    assert client.get(f"/api/participants/{who}/items/-1/single.png").status_code == 422


def test_left_and_right_are_what_was_drawn(served):
    store, client = served("preference")
    who = client.post("/api/participants").json()["id"]
    for position in range(8 - 2):
        item = store.item(who, position)
        for side in ("left", "right"):
            key = item.left if side == "left" else {"a": "b", "b": "a"}[item.left]
            answered = client.get(f"/api/participants/{who}/items/{position}/{side}.png").content
            folder = store.study.database.parent / key
            with (
                Image.open(io.BytesIO(answered)) as shown,
                Image.open(folder / item.picture) as original,
            ):
                assert shown.tobytes() == original.tobytes()
        path = f"/api/participants/{who}/items/{position}/answer"
        given = client.put(path, json={"answer": "right", "milliseconds": 10})
        assert given.json()["done"] == position + 1
        base = sqlite3.connect(store.study.database)
        (said,) = base.execute(
            "SELECT answer FROM answer WHERE position = ?", (position,)
        ).fetchone()
        assert said == {"a": "b", "b": "a"}[item.left]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"answer": "left", "milliseconds": 1}, 422),
        ({"answer": "maybe", "milliseconds": 1}, 422),
        ({"answer": "real", "milliseconds": -1}, 422),
        ({"answer": "real"}, 422),
        ({"answer": "real", "milliseconds": 5}, 200),
    ],
)
def test_only_an_answer_is_taken(served, given, status):
    store, client = served()
    who = client.post("/api/participants").json()["id"]
    path = f"/api/participants/{who}/items/0/answer"
    assert client.put(path, json=given).status_code == status
    assert store.done(who)[0] == (status == 200)
    if status == 200:
        assert client.put(path, json=given).status_code == 200
        assert client.put(path, json=given | {"answer": "fake"}).status_code == 409
        assert store.done(who)[0] == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"answer": "real", "milliseconds": NaN}',
        b'{"answer": "real", "milliseconds": -Infinity}',
        b'{"answer": "real", "milliseconds": 1e999}',
        b'{"answer": "\\ud800", "milliseconds": 1}',
        b'{"\\udfff": "real", "milliseconds": "\\ud800"}',
        b'{"answer": "real", "milliseconds": ' + b"9" * 5000 + b"}",
        b"[" * 20_000,
        b"\xff\xfe",
        b"",
    ],
)
def test_what_is_no_answer_is_refused_and_stores_nothing(served, body):
    store, client = served()
    who = client.post("/api/participants").json()["id"]
    response = client.put(
        f"/api/participants/{who}/items/0/answer",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code in (400, 422)
    assert store.done(who) == (0, 12)


@pytest.mark.parametrize(
    "path",
    [
        "{who}/items/9223372036854775808/single.png",
        "{who}/items/99999999999999999999999999/single.png",
        "{who}/items/1e3/single.png",
        "{who}/items/1000000/single.png",
        "%ED%A0%80/items/0/single.png",
        "%00/items/0/single.png",
        "{who}%00",
        "' OR 1=1 --",
        "{who}/items/0/%ED%A0%80.png",
    ],
)
def test_no_address_makes_the_server_fail(served, path):
    _, client = served()
    who = client.post("/api/participants").json()["id"]
    assert client.get(f"/api/participants/{path.format(who=who)}").status_code in (404, 409, 422)


def test_a_picture_that_is_gone_or_damaged_is_served_once_it_is_back(served, capsys):
    store, client = served()
    who = client.post("/api/participants").json()["id"]
    item = store.item(who, 0)
    path = store.study.database.parent / item.kind / item.picture
    content = path.read_bytes()
    address = f"/api/participants/{who}/items/0/single.png"
    path.unlink()
    gone = client.get(address)
    assert gone.status_code == 503
    assert str(path.parent) not in gone.text  # the participant learns no path
    assert str(path) in capsys.readouterr().err  # the operator does
    path.write_bytes(b"no picture")
    assert client.get(address).status_code == 503
    path.write_bytes(content)
    assert client.get(address).status_code == 200


def test_a_locked_database_asks_to_try_again(served):
    store, client = served()
    who = client.post("/api/participants").json()["id"]
    given = {"answer": "real", "milliseconds": 5}
    other = sqlite3.connect(store.study.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for response in (
        client.put(f"/api/participants/{who}/items/0/answer", json=given),
        client.post("/api/participants"),
    ):
        assert response.status_code == 503
        assert response.headers["retry-after"]
    other.execute("ROLLBACK")
    assert client.put(f"/api/participants/{who}/items/0/answer", json=given).json()["done"] == 1


def test_a_study_takes_no_more_participants_than_it_allows(served):
    store, client = served(participants=3)
    people = [client.post("/api/participants") for _ in range(5)]
    assert [response.status_code for response in people] == [201, 201, 201, 403, 403]
    for response in people[:3]:
        assert store.done(response.json()["id"]) == (0, 12)


def test_one_address_cannot_join_all_the_time(served, monkeypatch):
    monkeypatch.setattr("deformgan.study.server._JOINS_PER_MINUTE", 2)
    _, client = served()
    statuses = [client.post("/api/participants").status_code for _ in range(4)]
    assert statuses == [201, 201, 429, 429]


def test_a_foreign_page_cannot_join(served):
    _, client = served()
    foreign = {"Origin": "http://evil.example"}
    assert client.post("/api/participants", headers=foreign).status_code == 403
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "--port is 70000; it must be from 0 to 65535."),
        (["--host", "203.0.113.7"], "Cannot listen on 203.0.113.7, port 8000"),
        (["--host", ""], "--host is empty"),
        (["--allow-host", "http://x/"], "--allow-host is 'http://x/'; it must be a host name"),
    ],
)
def test_what_cannot_be_served_is_one_line(make_study, capsys, words, said):
    assert main(["study", "serve", str(make_study()), *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
