"""Names under which a server may be addressed, and pages that may send it requests.

A page of another site can make a browser send requests here. It is told apart by its origin; and a
name that its owner lets point at this machine (DNS rebinding), by the host that was asked for.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from deformgan.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_LOOPBACK_NAME = "localhost"


def check_allowed(names: Iterable[str]) -> frozenset[str]:
    """Return host names in lower case.

    Args:
        names: Host names or IP addresses, without scheme and port.

    Raises:
        InputError: If one is something else, such as a URL.
    """
    checked = set()
    for name in names:
        if _as_address(name) is None and not _NAME.fullmatch(name):
            raise InputError(
                f"allow_host= is {name!r}; it must be a host name or IP address, without scheme "
                "and port."
            )
        checked.add(name.lower())
    return frozenset(checked)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is of this machine alone."""
    if host.lower() == _LOOPBACK_NAME:
        return True
    return (address := _as_address(host)) is not None and address.is_loopback


def is_allowed_host(header: str, local_address: str | None, allowed: frozenset[str]) -> bool:
    """Return whether a `Host` header names this server.

    Args:
        header: The header's value.
        local_address: Address of this machine that the client is connected to. An IP address is
            safe: a page that was loaded from it came from this server.
        allowed: Further names, in lower case.
    """
    split = _split(header)
    if split is None:
        return False
    host, _ = split
    if host in allowed or is_loopback(host):
        return True
    wanted, local = _as_address(host), _as_address(local_address or "")
    return wanted is not None and wanted == local


def is_allowed_origin(origin: str, host_header: str, allowed: frozenset[str]) -> bool:
    """Return whether a page of this origin may change something here.

    Args:
        origin: Value of the `Origin` header; "null" for pages without one, such as local files.
        host_header: Value of the `Host` header, which must be allowed.
        allowed: Names that were given by the user; their scheme and port may differ from what this
            server sees, if it is behind a proxy.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or (split := _split(parts.netloc)) is None:
        return False
    return split == _split(host_header) or split[0] in allowed


def _split(netloc: str) -> tuple[str, int | None] | None:
    """Return host, in lower case and without brackets, and port; None if it is neither."""
    if not netloc.isascii() or any(letter in netloc for letter in "@/\\ \t#?%"):
        return None
    try:
        parts = urlsplit(f"//{netloc}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return None if not host else (host.rstrip(".").lower(), port)


def _as_address(host: str):
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    # A socket of both families has ::ffff:127.0.0.1 for 127.0.0.1.
    return getattr(address, "ipv4_mapped", None) or address
