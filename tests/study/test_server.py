"""The study's server, asked as the page asks it."""

import io
import sqlite3

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs the extra 'web': uv sync --extra web")

from fastapi.testclient import TestClient

from deformgan.cli.main import main
from deformgan.study.config import read_study
from deformgan.study.server import create_app
from deformgan.study.store import Store


@pytest.fixture
def served(make_study):
    def serve(*words, **more):
        store = Store(read_study(make_study(*words, **more)))
        return store, TestClient(create_app(store))

    return serve


def test_the_page_is_our_own_and_asks_nobody_else(served):
    _, client = served()
    page = client.get("/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
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
    ("words", "said"),
    [
        (["--port", "70000"], "--port is 70000; it must be from 0 to 65535."),
        (["--host", "203.0.113.7"], "Cannot listen on 203.0.113.7, port 8000"),
    ],
)
def test_what_cannot_be_served_is_one_line(make_study, capsys, words, said):
    assert main(["study", "serve", str(make_study()), *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
