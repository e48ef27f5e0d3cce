"""What stands before an application: hosts, origins, sizes and headers."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from deformgan.serving.headers import security_headers
from deformgan.serving.hosts import check_allowed, is_allowed_host, is_allowed_origin
from deformgan.serving.limits import Limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_OWN_PAGES = ("same-origin", "none")  # values of Sec-Fetch-Site; none: typed into the address bar


class Guard:
    """An ASGI application that answers what is not allowed itself, and passes on the rest."""

    def __init__(
        self,
        app: App,
        *,
        limits: Limits,
        allow_hosts: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
    ):
        """Guard an application.

        Args:
            app: The application.
            limits: Limits of bodies.
            allow_hosts: Names under which the server may be addressed, beyond loopback names and
                the address of the connection.
            headers: Headers of every response; by default those of `security_headers`.

        Raises:
            InputError: If `allow_hosts` contains something else than names.
        """
        self._app = app
        self._limits = limits
        self._allowed = check_allowed(allow_hosts)
        sent = security_headers() if headers is None else headers
        self._headers = [(k.lower().encode(), v.encode()) for k, v in sent.items()]
        self._held_bytes = 0  # of all bodies that are in memory

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or open a WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refuse_address(scope)
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1008})  # status 403
            return
        exchange = _Exchange(send, self._headers)
        refusal = refusal or self._refuse_body(scope)
        if refusal is not None:
            await exchange.refuse(*refusal)
            return
        body = _Body(receive, exchange, self, self._limits)
        try:
            await self._app(scope, body.receive, exchange.send)
        except Exception:
            if not exchange.refused:  # else the application was stopped while it read
                raise
        finally:
            self._held_bytes -= body.count

    def reserve(self, count: int) -> bool:
        """Account for bytes of a body, and return whether all bodies together are small enough."""
        self._held_bytes += count
        return self._held_bytes <= self._limits.total_body_bytes

    def _refuse_address(self, scope: Message) -> tuple[int, str] | None:
        hosts = _values(scope, b"host")
        local = (scope.get("server") or (None,))[0]
        if len(hosts) != 1 or not is_allowed_host(hosts[0], local, self._allowed):
            return 421, "This server does not go by that name; see --allow-host."
        if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
            return None  # changes nothing, and the answer is kept from pages of others
        origins, sites = _values(scope, b"origin"), _values(scope, b"sec-fetch-site")
        # Programs that are no browsers send neither; browsers always send the first.
        if all(is_allowed_origin(origin, hosts[0], self._allowed) for origin in origins) and (
            origins or all(site in _OWN_PAGES for site in sites)
        ):
            return None
        return 403, "This request comes from a page of another site."

    def _refuse_body(self, scope: Message) -> tuple[int, str] | None:
        if _values(scope, b"transfer-encoding"):
            return 411, "A body needs a Content-Length."
        for length in _values(scope, b"content-length"):
            if not length.isdecimal():
                return 400, "The Content-Length is not a number."
            if int(length) > self._limits.body_bytes:
                return _too_large(self._limits)
        return None


class _Exchange:
    """The response to one request."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]):
        self._send = send
        self._headers = headers
        self._started = False
        self.refused = False

    async def send(self, message: Message) -> None:
        """Pass on what the application answers, with the headers added."""
        if self.refused:
            return
        if message["type"] == "http.response.start":
            self._started = True
            names = {name for name, _ in self._headers}
            own = [(k, v) for k, v in message.get("headers", ()) if k.lower() not in names]
            message = {**message, "headers": own + self._headers}
        await self._send(message)

    async def refuse(self, status: int, why: str) -> None:
        """Answer in place of the application, if it has not begun to."""
        if self._started:
            return
        content = json.dumps({"detail": why}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        if status == 503:
            headers.append((b"retry-after", b"5"))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": content})
        self.refused = True


class _Body:
    """The body of one request, counted while it is read."""

    def __init__(self, receive: Receive, exchange: _Exchange, guard: Guard, limits: Limits):
        self._receive = receive
        self._exchange = exchange
        self._guard = guard
        self._limits = limits
        self.count = 0

    async def receive(self) -> Message:
        """Return the next part, or a disconnection once there was too much."""
        if self._exchange.refused:
            return {"type": "http.disconnect"}
        message = await self._receive()
        size = len(message.get("body", b""))
        self.count += size
        fits = self._guard.reserve(size)
        if self.count > self._limits.body_bytes:
            await self._exchange.refuse(*_too_large(self._limits))
        elif not fits:
            await self._exchange.refuse(503, "Too many uploads at a time; try again.")
        else:
            return message
        return {"type": "http.disconnect"}


def _too_large(limits: Limits) -> tuple[int, str]:
    return 413, f"The body is too large; at most {limits.body_bytes} bytes are allowed."


def _values(scope: Message, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
