"""Attack a local server that is running, and measure a normal client beside each attack.

    deformgan study serve study.toml --port 8000 &
    python benchmarks/server_abuse.py http://127.0.0.1:8000/ --seconds 10

Only addresses of this machine are attacked, and every attack is limited in time, sockets and bytes.
Attacker, server and client share the machine's cores, so the client's times also contain the
attacker's work.
"""

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

UPLOAD_BYTES = 2 << 30
BODY_BYTES = 50 << 20
SILENT = 150
_PIECE = os.urandom(1 << 16)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_WEBSOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@dataclass(frozen=True)
class Target:
    """What is attacked.

    Attributes:
        host: Loopback address.
        port: Port.
        page: Path that the normal client asks for.
        upload: Path that bodies are sent to.
        websocket: Path of a WebSocket, if there is one.
        seconds: Longest time of one attack.
    """

    host: str
    port: int
    page: str
    upload: str
    websocket: str | None
    seconds: float

    def open(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection((self.host, self.port), timeout=5)

    def head(self, method: str, path: str, more: str = "", host: str | None = None) -> bytes:
        """Return the head of a request, without the empty line."""
        return f"{method} {path} HTTP/1.1\r\nHost: {host or self.host}\r\n{more}".encode()


Outcome = Counter[str]


def silent_sockets(target: Target) -> Outcome:
    """Open 150 sockets that send nothing, half a head or half a body, and hold them."""
    outcome: Outcome = Counter()
    parts = (
        b"",
        target.head("GET", target.page),
        target.head("POST", target.upload, "Content-Length: 1000\r\n\r\n") + b"x",
    )
    sockets = []
    for number in range(SILENT):
        try:
            one = target.open()
            one.sendall(parts[number % len(parts)])
            sockets.append(one)
        except OSError:
            outcome["not connected"] += 1
    time.sleep(target.seconds)
    for one in sockets:
        one.setblocking(False)
        outcome[_state(one)] += 1
        one.close()
    return outcome


def _state(one: socket.socket) -> str:
    try:
        answer = one.recv(1 << 16)
    except BlockingIOError:
        return "still open"
    except OSError:
        return "cut"
    return f"answered {_status(answer)}" if answer else "cut"


def declared_upload(target: Target) -> Outcome:
    """Send an upload of 2 GB whose length is declared."""
    head = target.head("POST", target.upload, f"Content-Length: {UPLOAD_BYTES}\r\n\r\n")
    return _repeat(target, lambda: _send(target, head, _pieces(UPLOAD_BYTES), UPLOAD_BYTES))


def streamed_upload(target: Target) -> Outcome:
    """Send an upload of 2 GB in chunks of unknown number."""
    head = target.head("POST", target.upload, "Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n" % len(_PIECE) + _PIECE + b"\r\n"
    count = UPLOAD_BYTES // len(_PIECE)
    return _repeat(target, lambda: _send(target, head, (chunk for _ in range(count)), UPLOAD_BYTES))


def tiny_chunks(target: Target) -> Outcome:
    """Send uploads in chunks of one byte, again and again."""
    head = target.head("POST", target.upload, "Transfer-Encoding: chunked\r\n\r\n")
    chunks = b"1\r\nx\r\n" * 10_000
    return _repeat(target, lambda: _send(target, head, (chunks for _ in range(100)), 0))


def bodies(target: Target) -> Outcome:
    """Send bodies of 50 MB, again and again."""
    head = target.head("POST", target.upload, f"Content-Length: {BODY_BYTES}\r\n\r\n")
    return _repeat(target, lambda: _send(target, head, _pieces(BODY_BYTES), BODY_BYTES))


def garbage(target: Target) -> Outcome:
    """Send random bytes, as fast as they are taken."""
    return _repeat(target, lambda: _send(target, b"", _pieces(8 << 20), 0))


def many_requests(target: Target) -> Outcome:
    """Send requests without waiting for answers, 1000 per connection."""
    requests = target.head("GET", "/no-such-page", "\r\n") * 50
    return _repeat(target, lambda: _send(target, b"", (requests for _ in range(20)), 0))


def foreign_hosts(target: Target) -> Outcome:
    """Ask by foreign names, and from pages of foreign sites."""
    outcome: Outcome = Counter()
    origin = "Origin: http://evil.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    heads = {
        "Host": target.head("GET", target.page, "Connection: close\r\n\r\n", "evil.example"),
        "Origin": target.head("POST", target.upload, origin),
    }
    if target.websocket:
        more = f"{_WEBSOCKET}Origin: http://evil.example\r\n\r\n"
        heads["Origin of a WebSocket"] = target.head("GET", target.websocket, more)
    for name, head in heads.items():
        found = _repeat(
            replace(target, seconds=target.seconds / len(heads)),
            lambda head=head: _send(target, head, iter(()), 0),
        )
        outcome += Counter({f"{name}: {what}": count for what, count in found.items()})
    return outcome


def websocket_garbage(target: Target) -> Outcome:
    """Open WebSockets and send random bytes."""
    assert target.websocket
    own = f"Origin: http://{target.host}:{target.port}\r\n\r\n"
    host = f"{target.host}:{target.port}"
    head = target.head("GET", target.websocket, _WEBSOCKET + own, host)
    return _repeat(target, lambda: _send(target, head, _pieces(8 << 20), 0))


ATTACKS: dict[str, Callable[[Target], Outcome]] = {
    "150 silent sockets": silent_sockets,
    "upload of 2 GB, declared": declared_upload,
    "upload of 2 GB, streamed": streamed_upload,
    "chunks of one byte": tiny_chunks,
    "bodies of 50 MB": bodies,
    "garbage at full speed": garbage,
    "garbage in WebSockets": websocket_garbage,
    "requests at full speed": many_requests,
    "foreign Host and Origin": foreign_hosts,
}


def _pieces(count: int) -> Iterator[bytes]:
    for _ in range(count // len(_PIECE)):
        yield _PIECE


def _repeat(target: Target, attack: Callable[[], str]) -> Outcome:
    outcome: Outcome = Counter()
    end = time.monotonic() + target.seconds
    while time.monotonic() < end:
        outcome[attack()] += 1
    return outcome


def _send(target: Target, head: bytes, parts: Iterator[bytes], whole: int) -> str:
    """Send a request, and return what became of it.

    Args:
        target: The server.
        head: Sent first.
        parts: The rest, sent until the time is over or the server closes the connection.
        whole: Bytes after which the server has taken everything; 0 if that is no concern.
    """
    sent, end = 0, time.monotonic() + target.seconds
    try:
        one = target.open()
    except OSError:
        return "not connected"
    with one:
        try:
            one.sendall(head)
            for part in parts:
                if time.monotonic() > end:
                    return "time over"
                one.sendall(part)
                sent += len(part)
        except OSError:
            pass
        try:
            answer = one.recv(1 << 16)
        except OSError:
            answer = b""
    taken = ", ALL OF IT TAKEN" if whole and sent >= whole else ""
    return (f"answered {_status(answer)}" if answer else "cut") + taken


def _status(answer: bytes) -> str:
    return answer[9:12].decode("latin-1")


def measure(target: Target, still: Callable[[], bool]) -> dict[str, float]:
    """Ask for the page again and again, each time on a new connection, and return the times."""
    times, failures = [], 0
    request = target.head("GET", target.page, "Connection: close\r\n\r\n")
    while still():
        begun = time.perf_counter()
        try:
            with target.open() as one:
                one.sendall(request)
                answer = b""
                while part := one.recv(1 << 16):
                    answer += part
            failures += not answer.startswith(b"HTTP/1.1 200")
        except OSError:
            failures += 1
        times.append(1000 * (time.perf_counter() - begun))
        time.sleep(0.02)
    cuts = statistics.quantiles(times, n=20)
    return {
        "requests": len(times),
        "failures": failures,
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(cuts[-1], 1),
        "max_ms": round(max(times), 1),
    }


def _attack(name: str, target: Target, results: multiprocessing.Queue) -> None:
    results.put(dict(ATTACKS[name](target)))


def main() -> int:
    """Measure without an attack, then beside each."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("url", help="address of the page, on this machine")
    flags.add_argument("--upload", default="/", help="path that bodies are sent to")
    flags.add_argument("--websocket", help="path of a WebSocket")
    flags.add_argument("--seconds", type=float, default=10.0, help="of each attack, at most 60")
    flags.add_argument("--only", nargs="*", choices=list(ATTACKS), default=list(ATTACKS))
    flags.add_argument("--out", type=Path, help="write a JSON report")
    given = flags.parse_args()
    url = urlsplit(given.url)
    if url.hostname not in _LOOPBACK or url.port is None:
        flags.error(f"{given.url!r} is not an address of this machine with a port")
    target = Target(
        host=url.hostname,
        port=url.port,
        page=url.path or "/",
        upload=given.upload,
        websocket=given.websocket,
        seconds=min(given.seconds, 60.0),
    )
    end = time.monotonic() + target.seconds
    report = {"no attack": measure(target, lambda: time.monotonic() < end)}
    print(f"no attack: {report['no attack']}", flush=True)
    for name in given.only:
        if ATTACKS[name] is websocket_garbage and not target.websocket:
            print(f"{name}: left out, since there is no --websocket", flush=True)
            continue
        results: multiprocessing.Queue = multiprocessing.Queue()
        attacker = multiprocessing.Process(target=_attack, args=(name, target, results))
        attacker.start()
        normal = measure(target, attacker.is_alive)
        report[name] = normal | {"attacker": results.get(timeout=60)}
        attacker.join()
        print(f"{name}: {report[name]}", flush=True)
    if given.out:
        given.out.write_text(json.dumps(report, indent=2) + "\n")
    failed = any(part["failures"] for part in report.values())
    taken = any("ALL OF IT" in str(part) for part in report.values())
    return int(failed or taken)


if __name__ == "__main__":
    sys.exit(main())
