"""Limits of a local web server."""

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What clients may use at most.

    Attributes:
        body_bytes: Size of a request's body.
        total_body_bytes: Size of all bodies that are in memory at a time.
        message_bytes: Size of a WebSocket message.
        head_bytes: Size of a request's head.
        connections: Open connections; beyond, the one that has waited for its client for the
            longest time is closed.
        connections_per_client: The same, per address; loopback addresses are not counted apart,
            since all clients share them there.
        websockets: Open WebSockets; further ones are refused with status 503.
        websockets_per_client: The same, per address.
        head_seconds: Time to send the head of a request.
        silent_seconds: Time without progress, of a body being received or a response being sent.
        bytes_per_second: Slowest body, and slowest reader of a response.
        idle_seconds: Time that a connection is kept open after a response.
        stop_seconds: Time for open requests to end when the server stops.
    """

    body_bytes: int = MEBIBYTE // 16
    total_body_bytes: int = 128 * MEBIBYTE
    message_bytes: int = MEBIBYTE // 16
    head_bytes: int = 16 << 10
    connections: int = 512
    connections_per_client: int = 64
    websockets: int = 64
    websockets_per_client: int = 16
    head_seconds: float = 10.0
    silent_seconds: float = 10.0
    bytes_per_second: int = 1 << 10
    idle_seconds: int = 5
    stop_seconds: int = 3
