"""Count open connections, and close those that wait for their client when there are too many."""

from asyncio import Transport
from collections import Counter
from ipaddress import IPv6Address, ip_address

from deformgan.serving.hosts import is_loopback
from deformgan.serving.limits import Limits


class Connections:
    """All open connections of a server.

    A connection either waits for its client (no complete request yet) or is worked for. Newcomers
    are admitted at the expense of the one that has waited longest, so that many silent clients
    cannot lock out one that talks.
    """

    def __init__(self, limits: Limits):
        """Start without connections."""
        self._limits = limits
        self._clients: dict[Transport, str | None] = {}
        self._waiting: dict[Transport, None] = {}  # in the order in which they began to wait
        self._websockets: set[Transport] = set()
        self._per_client: Counter[str | None] = Counter()

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self._clients)

    def admit(self, transport: Transport) -> bool:
        """Add a connection, which waits for its client.

        Returns:
            False if there are too many, and none of them waits.
        """
        client = _client(transport)
        if client is not None:
            of_client = self._limits.connections_per_client
            if self._per_client[client] >= of_client and not self._close_waiting(client):
                return False
        if len(self._clients) >= self._limits.connections and not self._close_waiting():
            return False
        self._clients[transport] = client
        self._per_client[client] += 1
        self._waiting[transport] = None
        return True

    def wait(self, transport: Transport) -> None:
        """Note that a connection waits for its client, from the first such call on."""
        if transport in self._clients:
            self._waiting.setdefault(transport, None)

    def work(self, transport: Transport) -> None:
        """Note that the server works for a connection, so that it is not closed."""
        self._waiting.pop(transport, None)

    def upgrade(self, transport: Transport) -> bool:
        """Make a connection a WebSocket, and return False if there are too many."""
        client = self._clients.get(transport)
        same = sum(self._clients.get(other) == client for other in self._websockets)
        if len(self._websockets) >= self._limits.websockets or (
            client is not None and same >= self._limits.websockets_per_client
        ):
            return False
        self._websockets.add(transport)
        self.work(transport)
        return True

    def remove(self, transport: Transport) -> None:
        """Forget a connection that was closed; a second call does nothing."""
        self._waiting.pop(transport, None)
        self._websockets.discard(transport)
        if transport in self._clients:
            client = self._clients.pop(transport)
            self._per_client[client] -= 1
            if not self._per_client[client]:
                del self._per_client[client]

    def _close_waiting(self, client: str | None = None) -> bool:
        for transport in self._waiting:
            if client is None or self._clients[transport] == client:
                self.remove(transport)
                transport.abort()
                return True
        return False


def _client(transport: Transport) -> str | None:
    """Return the client's address; for IPv6 its network, of which a client has all addresses.

    Returns:
        None for loopback addresses and local sockets.
    """
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple) or is_loopback(str(peer[0])):
        return None
    address = ip_address(str(peer[0]).partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return address.exploded[:19]  # the first 64 bits
    return str(address)
