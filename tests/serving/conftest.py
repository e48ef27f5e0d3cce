"""A guarded server with short time limits, in a thread."""

import asyncio
import socket
import threading
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("fastapi", reason="needs the extra 'web': uv sync --extra web")
pytest.importorskip("websockets", reason="needs the extra 'web': uv sync --extra web")

from fastapi import FastAPI, Request, WebSocket

from deformgan.serving.limits import Limits
from deformgan.serving.run import listen, make_server


def make_app():
    """An application that echoes, and notes what reached it."""
    app = FastAPI()
    app.state.seen = []

    @app.get("/")
    async def page():
        app.state.seen.append("page")
        return {"page": 1}

    @app.get("/large")
    async def large():
        return {"text": "x" * (8 << 20)}

    @app.post("/upload")
    async def upload(request: Request):
        size = len(await request.body())
        app.state.seen.append(size)
        return {"size": size}

    @app.websocket("/talk")
    async def talk(websocket: WebSocket):
        await websocket.accept()
        async for message in websocket.iter_bytes():
            app.state.seen.append(len(message))
            await asyncio.sleep(0)
            await websocket.send_bytes(message[:16])

    return app


@pytest.fixture
def serve():
    """Return a function that starts a server and returns its port, application and connections."""
    running = []

    def start(**limits):
        app = make_app()
        server = make_server(app, limits=Limits(**limits), allow_hosts=["pictures.example"])
        listener = listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        running.append((server, thread, listener))
        connections = server.config.connections  # ty: ignore[missing-attribute]
        return SimpleNamespace(port=port, seen=app.state.seen, open=connections)

    yield start
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(20)
        listener.close()
        assert not thread.is_alive()


@pytest.fixture
def connect():
    """Return a function that opens a socket to a port."""
    sockets = []

    def open_socket(port, sent=b"", timeout=20):
        one = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        sockets.append(one)
        one.sendall(sent)
        return one

    yield open_socket
    for one in sockets:
        one.close()


def read_all(one):
    """Everything until the server closes the connection."""
    parts = []
    try:
        while part := one.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def wait_until(holds, seconds=20):
    """Wait for a condition, and return whether it came true."""
    for _ in range(int(seconds / 0.02)):
        if holds():
            return True
        time.sleep(0.02)
    return False
