"""Web application of the studio: static files, and one WebSocket per page.

Photos come over the WebSocket and live in its session, so they are gone when it closes. All
sessions share one thread of work, and each has at most one request in it: nobody waits for more
than one request of every other client.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, Response

from deformgan.serving.headers import security_headers
from deformgan.serving.limits import Limits
from deformgan.studio.mailbox import Mailbox
from deformgan.studio.protocol import MOST_BYTES, MOST_HEADER, MessageError, pack, read_request
from deformgan.studio.session import Session, Shelf
from deformgan.studio.shipped import KINDS, about_page, example_photo, page_file

# A client's photos take up to 36 MB each, and its largest reply 3 MB.
LIMITS = Limits(message_bytes=MOST_BYTES + MOST_HEADER + 4, websockets=16, websockets_per_client=8)
HEADERS = security_headers(camera=True)
IDLE = 600.0  # seconds without a message; the page connects again when it needs to
_PATIENCE = 20.0  # seconds for a client to take a reply
_BAD = 1003  # RFC 6455: data that cannot be accepted


def create_app(shelf: Shelf) -> FastAPI:
    """Create the web application, to be run with `LIMITS` and `HEADERS`.

    Args:
        shelf: The weights.
    """
    app = FastAPI(title="deformgan studio", docs_url=None, redoc_url=None, openapi_url=None)
    worker = ThreadPoolExecutor(1, "studio")

    @app.get("/about.json")
    def about() -> JSONResponse:
        return JSONResponse({**about_page(), **shelf.about(), "engine": "server"})

    @app.get("/example.jpg")
    def example() -> Response:
        return Response(example_photo().path.read_bytes(), media_type="image/jpeg")

    @app.get("/")
    @app.get("/{name}")
    def part_of_page(name: str = "index.html") -> Response:
        path = page_file(name)
        if path is None:
            raise HTTPException(404)
        return Response(path.read_bytes(), media_type=KINDS[path.suffix])

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await _serve(socket, Session(shelf), worker)

    return app


async def _serve(socket: WebSocket, session: Session, worker: ThreadPoolExecutor) -> None:
    """Serve one client until it leaves, says nothing for long, or sends what no page of ours does.

    Args:
        socket: Accepted.
        session: Its photos.
        worker: Shared by all clients.
    """
    mailbox, sending = Mailbox(), asyncio.Lock()

    async def send(reply: bytes) -> None:
        async with sending:
            await asyncio.wait_for(socket.send_bytes(reply), _PATIENCE)

    async def read() -> None:
        while True:
            request, payload = await _receive(socket)
            replaced = mailbox.put(request, payload)
            if replaced is not None:
                await send(pack({"n": replaced.n, "replaced": True}))

    async def work() -> None:
        loop = asyncio.get_running_loop()
        while True:
            request, payload = await mailbox.get()
            await send(await loop.run_in_executor(worker, session.answer, request, payload))

    tasks = [asyncio.create_task(read()), asyncio.create_task(work())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    except MessageError as error:
        await socket.close(_BAD, str(error)[:100])
    except (WebSocketDisconnect, TimeoutError, RuntimeError):
        pass  # gone, silent, or not taking its replies
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _receive(socket: WebSocket):
    """Return the next request and its payload."""
    message = await asyncio.wait_for(socket.receive(), IDLE)
    if message["type"] != "websocket.receive":
        raise WebSocketDisconnect
    content = message.get("bytes")
    if content is None:
        raise MessageError("messages are binary")
    return read_request(content)
