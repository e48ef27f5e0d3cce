"""Bind an address and serve an application until Ctrl-C."""

import signal
import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec

import uvicorn

from deformgan.errors import InputError
from deformgan.serving.guard import App, Guard
from deformgan.serving.hosts import is_loopback
from deformgan.serving.http_protocol import GuardedConfig, GuardedHttp
from deformgan.serving.limits import Limits

LOOPBACK = "127.0.0.1"
_BACKLOG = 128  # connections that the system accepts before we do
_OTHER_FILES = 64  # open files that are not connections


def check_port(port: int) -> None:
    """Check the number of a port.

    Raises:
        InputError: If there is no such port.
    """
    if not 0 <= port < 1 << 16:
        raise InputError(f"port= is {port}; it must be from 0 to {(1 << 16) - 1}.")


def listen(host: str, port: int) -> socket.socket:
    """Bind an address and listen.

    Raises:
        InputError: If it is not an address of this machine, or is in use.
    """
    check_port(port)
    if not host:
        raise InputError(f"host= is empty; it must be an address such as {LOOPBACK} or 0.0.0.0.")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)  # from here on, clients wait instead of being refused
    except (OSError, OverflowError, ValueError) as error:
        listener.close()
        raise InputError(f"Cannot listen on {host}, port {port}: {error}.") from None
    return listener


def run(
    app: App,
    *,
    host: str = LOOPBACK,
    port: int = 8000,
    allow_hosts: Iterable[str] = (),
    limits: Limits | None = None,
    headers: Mapping[str, str] | None = None,
    notes: Iterable[str] = (),
) -> None:
    """Serve an application until Ctrl-C or SIGTERM, and print its address.

    Args:
        app: ASGI application, which `Guard` will protect.
        host: Address to listen on.
        port: Port; 0 selects a free one.
        allow_hosts: Names under which the server may be addressed; see `Guard`.
        limits: Limits; by default those of `Limits`.
        headers: Headers of every response; see `security_headers`.
        notes: Lines to print below the address.

    Raises:
        InputError: If the address or a name is wrong.
    """
    server = make_server(app, allow_hosts=allow_hosts, limits=limits, headers=headers)
    listener = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{listener.getsockname()[1]}/  (Ctrl-C to stop)", flush=True)
    if not is_loopback(host):
        print(f"open to everybody who can reach {host}", flush=True)
    for note in notes:
        print(note, flush=True)
    # uvicorn raises the interruption again after it has stopped.
    with listener, _StopOnTerminate(), suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def make_server(
    app: App,
    *,
    allow_hosts: Iterable[str] = (),
    limits: Limits | None = None,
    headers: Mapping[str, str] | None = None,
) -> uvicorn.Server:
    """Return a server of an application, to be run on a bound socket; parameters as in `run`."""
    limits = limits or Limits()
    config = GuardedConfig(
        Guard(app, limits=limits, allow_hosts=allow_hosts, headers=headers),
        _fitting(limits),
        http=GuardedHttp,
        ws=_websocket_protocol(),
        ws_max_size=limits.message_bytes,
        # Compressed messages could grow a thousandfold after their size was checked.
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=limits.head_bytes,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=limits.stop_seconds,
        backlog=_BACKLOG,
        proxy_headers=False,
        server_header=False,
        log_level="error",
        access_log=False,
    )
    return uvicorn.Server(config)


class _StopOnTerminate:
    """SIGTERM ends the server like Ctrl-C, so that callers can close what they opened."""

    def __enter__(self) -> None:
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)


def _websocket_protocol():
    if find_spec("websockets") is None:
        return "none"
    from deformgan.serving.websocket_protocol import GuardedWebSocket

    return GuardedWebSocket


def _fitting(limits: Limits) -> Limits:
    """Reduce the number of connections to what the system allows this process to open."""
    try:
        from resource import RLIMIT_NOFILE, getrlimit
    except ImportError:  # not on Windows
        return limits
    most = max(8, getrlimit(RLIMIT_NOFILE)[0] - _OTHER_FILES)
    return replace(limits, connections=min(limits.connections, most))
