"""Clients that are silent, slow, too many, or send what is no request, on real sockets."""

import urllib.request
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as connect_websocket

from tests.serving.conftest import read_all, wait_until

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
REQUEST = HEAD + b"\r\n"
POST = b"POST /upload HTTP/1.1\r\nHost: localhost\r\n"
SHORT = {"head_seconds": 0.3, "silent_seconds": 0.3, "idle_seconds": 1}


def ask(port):
    with urllib.request.urlopen(f"http://localhost:{port}/", timeout=20) as response:
        return response.status


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        HEAD,
        POST + b"Content-Length: 1000\r\n\r\n",
        POST + b"Content-Length: 1000\r\n\r\nabc",
        POST + b"Transfer-Encoding: chunked\r\n\r\n",
        REQUEST + b"GET",
    ],
)
def test_a_silent_client_is_cut(serve, connect, sent):
    server = serve(**SHORT)
    read_all(connect(server.port, sent))  # returns: the server has closed the connection
    assert wait_until(lambda: len(server.open) == 0)


def is_cut(connection):
    try:
        connection.send(b"x")
    except OSError:
        return True
    return False


def test_a_byte_now_and_then_does_not_prolong_a_head(serve, connect):
    server = serve(**SHORT)
    one = connect(server.port, b"GET / HTTP/1.1\r\nX: ")
    assert wait_until(lambda: is_cut(one))
    assert server.seen == []


def test_a_slow_body_is_cut_though_it_never_pauses(serve, connect):
    server = serve(**SHORT, bytes_per_second=1000)
    one = connect(server.port, POST + b"Content-Length: 60000\r\n\r\n")
    assert wait_until(lambda: is_cut(one))
    assert server.seen == []


def test_a_client_that_does_not_read_is_cut(serve, connect):
    server = serve(**SHORT)
    connect(server.port, b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert wait_until(lambda: len(server.open) == 1)
    assert wait_until(lambda: len(server.open) == 0)


def test_requests_on_one_connection_are_answered_in_turn(serve, connect):
    server = serve()
    one = connect(server.port, REQUEST * 3 + HEAD + b"Connection: close\r\n\r\n")
    assert read_all(one).count(b'{"page":1}') == 4


def test_many_silent_clients_do_not_lock_out_one_that_talks(serve, connect):
    server = serve(connections=20)
    for _ in range(60):
        connect(server.port)
    assert [ask(server.port) for _ in range(5)] == [200] * 5
    assert len(server.open) <= 20


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff" * 50_000,
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 100_000,
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",  # TLS
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        POST + b"Content-Length: -5\r\n\r\n",
    ],
)
def test_garbage_is_refused_and_the_connection_closed(serve, connect, sent):
    server = serve(**SHORT)
    one = connect(server.port)
    with suppress(ConnectionResetError, BrokenPipeError):
        one.sendall(sent)
    answer = read_all(one)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert wait_until(lambda: len(server.open) == 0)
    assert ask(server.port) == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: 2000000000\r\n\r\n", b"413"),
        (b"Content-Length: 99999999999999999999\r\n\r\n", b"413"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"411"),
    ],
)
def test_a_large_upload_is_refused_before_it_is_read(serve, connect, head, status):
    server = serve()
    one = connect(server.port, POST + head)
    piece = b"1\r\nx\r\n" * 10_000
    sent = 0
    with suppress(ConnectionResetError, BrokenPipeError, TimeoutError):
        for _ in range(2_000):  # 120 MB, of which the server takes a small part
            sent += one.send(piece)
    assert sent < 60 << 20
    assert server.seen == []
    second = connect(server.port, POST + head)
    assert read_all(second).startswith(b"HTTP/1.1 " + status)


def test_a_websocket_echoes_and_too_many_are_refused(serve):
    server = serve(websockets=2)
    url = f"ws://localhost:{server.port}/talk"
    with connect_websocket(url) as first, connect_websocket(url):
        first.send(b"picture")
        assert first.recv() == b"picture"
        with pytest.raises(InvalidStatus, match="503"):
            connect_websocket(url)
    assert wait_until(lambda: len(server.open) == 0)
    with connect_websocket(url) as again:
        again.send(b"once more")
        assert again.recv() == b"once more"


def test_a_message_that_is_too_large_ends_its_websocket_only(serve):
    server = serve(message_bytes=1000)
    url = f"ws://localhost:{server.port}/talk"
    with connect_websocket(url) as other:
        with connect_websocket(url) as one:
            one.send(b"x" * 2000)
            with pytest.raises(ConnectionClosed):
                one.recv()
        other.send(b"x" * 1000)
        assert other.recv() == b"x" * 16
    assert server.seen == [1000]


def test_many_small_messages_arrive_in_order_and_are_not_queued_at_once(serve):
    server = serve()
    with connect_websocket(f"ws://localhost:{server.port}/talk", max_queue=None) as one:
        for number in range(3000):
            one.send(number.to_bytes(2, "big"))
        assert [one.recv() for _ in range(3000)] == [n.to_bytes(2, "big") for n in range(3000)]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_page_of_another_site_cannot_open_a_websocket(serve, origin):
    server = serve()
    with pytest.raises(InvalidStatus, match="403"):
        connect_websocket(f"ws://localhost:{server.port}/talk", origin=origin)
    assert server.seen == []
    with connect_websocket(
        f"ws://localhost:{server.port}/talk", origin=f"http://localhost:{server.port}"
    ) as own:
        own.send(b"own")
        assert own.recv() == b"own"
