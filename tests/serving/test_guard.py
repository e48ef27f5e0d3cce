"""Hosts, origins, sizes and headers."""

import asyncio

import pytest

pytest.importorskip("fastapi", reason="needs the extra 'web': uv sync --extra web")

from fastapi.testclient import TestClient

from deformgan.errors import InputError
from deformgan.serving.guard import Guard
from deformgan.serving.headers import security_headers
from deformgan.serving.hosts import is_allowed_host, is_allowed_origin
from deformgan.serving.limits import Limits
from deformgan.serving.rate import RateLimit
from tests.serving.conftest import make_app


@pytest.fixture
def app():
    return make_app()


@pytest.fixture
def client(app):
    guarded = Guard(app, limits=Limits(body_bytes=1000), allow_hosts=["Pictures.example"])
    return TestClient(guarded, base_url="http://localhost:8000")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("localhost.:8000", True),
        ("127.0.0.1:8000", True),
        ("127.9.9.9", True),
        ("[::1]:8000", True),
        ("pictures.example", True),
        ("192.0.2.7:8000", True),  # the address that the client is connected to
        ("192.0.2.8", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("evil.example#localhost", False),
        ("localhost@evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("2130706433", False),
        ("localhost:port", False),
        ("[::1", False),
        ("l\u00f6calhost", False),
        ("", False),
    ],
)
def test_host_names(host, allowed):
    assert is_allowed_host(host, "192.0.2.7", frozenset({"pictures.example"})) is allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:8000", True),
        ("https://localhost:8000", True),
        ("https://pictures.example", True),  # given by the user
        ("http://localhost:3000", False),  # another program of this machine
        ("http://localhost", False),
        ("http://evil.example:8000", False),
        ("null", False),
        ("file://", False),
        ("http://localhost:8000@evil.example", False),
        ("chrome-extension://localhost:8000", False),
        ("", False),
    ],
)
def test_origins(origin, allowed):
    assert is_allowed_origin(origin, "localhost:8000", frozenset({"pictures.example"})) is allowed


def test_a_foreign_host_reaches_nothing(client, app):
    for host in ("evil.example", "localhost.evil.example:8000"):
        assert client.get("/", headers={"Host": host}).status_code == 421
    assert app.state.seen == []
    assert client.get("/", headers={"Host": "pictures.example"}).status_code == 200


def test_a_foreign_page_changes_nothing(client, app):
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert client.post("/upload", content=b"x", headers=headers).status_code == 403
    assert app.state.seen == []
    own = {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/upload", content=b"x", headers=own).json() == {"size": 1}
    assert client.post("/upload", content=b"x").json() == {"size": 1}  # no browser


def test_bodies_are_limited_by_length_and_while_they_are_read(client, app):
    assert client.post("/upload", content=b"x" * 1000).json() == {"size": 1000}
    assert client.post("/upload", content=b"x" * 1001).status_code == 413
    assert client.post("/upload", content=iter([b"x"])).status_code == 411
    assert app.state.seen == [1000]


def run_raw(guarded, parts, headers=()):
    """Send a request whose body differs from its length, and return status and headers."""
    sent, left = [], list(parts)

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/upload",
        "raw_path": b"/upload",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
        "server": ("127.0.0.1", 8000),
    }
    asyncio.run(guarded(scope, receive, send))
    return [message["status"] for message in sent if "status" in message]


def test_a_body_longer_than_said_is_refused_while_it_is_read(app):
    guarded = Guard(app, limits=Limits(body_bytes=1000))
    assert run_raw(guarded, [b"x" * 400] * 5, [(b"content-length", b"10")]) == [413]
    assert run_raw(guarded, [b"x" * 400] * 2) == [200]
    assert app.state.seen == [800]


def test_all_bodies_together_are_limited_and_released(app):
    guarded = Guard(app, limits=Limits(body_bytes=1000, total_body_bytes=900))
    for _ in range(3):
        assert run_raw(guarded, [b"x" * 600, b"x" * 390]) == [503]
        assert run_raw(guarded, [b"x" * 600]) == [200]


def test_every_answer_has_the_headers(client):
    for response in (
        client.get("/"),
        client.get("/missing"),
        client.get("/", headers={"Host": "evil.example"}),
        client.post("/upload", content=b"x" * 2000),
    ):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["cross-origin-resource-policy"] == "same-origin"


def test_inline_code_cannot_be_allowed():
    assert "wasm-unsafe-eval" in str(security_headers({"script-src": "'self' 'wasm-unsafe-eval'"}))
    for allowed in ("'unsafe-inline'", "'self' 'unsafe-eval'"):
        with pytest.raises(ValueError, match="inline"):
            security_headers({"script-src": allowed})


@pytest.mark.parametrize("name", ["http://a", "a:80", "a b", "", "-a", "a/"])
def test_what_is_no_name_is_refused(app, name):
    with pytest.raises(InputError, match="allow_host="):
        Guard(app, limits=Limits(), allow_hosts=[name])


def test_a_rate_limit_fills_again_per_client():
    now = [0.0]
    limit = RateLimit(2, 10.0, clock=lambda: now[0])
    assert [limit.take("a") for _ in range(3)] == [True, True, False]
    assert limit.take("b")
    now[0] = 5.0
    assert [limit.take("a") for _ in range(2)] == [True, False]
