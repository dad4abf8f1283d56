"""The addresses of a host that may be connected to: names are resolved here, cached briefly, and each address checked.

An address is checked right before it is connected to, and nothing is resolved in between, so a name that leads
elsewhere the second time (DNS rebinding) gains nothing. Addresses that are not open are left out: a name with both
kinds is reached at the others.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Final

import structlog
from aiohappyeyeballs import AddrInfoType

from tidings.security.egress import Egress

log = structlog.get_logger(__name__)

NAMES_KEPT: Final = 4096
"""Names whose addresses are kept; beyond that, the oldest are forgotten."""
REFUSED: Final = "the address is not one that messages may be sent to"
"""Neither which nor why: whoever asks may be exploring a network."""

Lookup = Callable[[str, int], Awaitable[Sequence[AddrInfoType]]]


class BlockedError(OSError):
    """The address is not open."""

    def __init__(self) -> None:
        super().__init__(REFUSED)


async def system_lookup(host: str, port: int) -> Sequence[AddrInfoType]:
    """What the operating system answers. Raises OSError, or UnicodeError for what is no name."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Resolver:
    """Looks names up, once for all who ask at the same time."""

    def __init__(self, egress: Egress | None, *, seconds: float, lookup: Lookup = system_lookup) -> None:
        self._egress = egress
        self._seconds = seconds
        self._lookup = lookup
        self._loop = asyncio.get_running_loop()
        self._names: dict[tuple[str, int], tuple[float, asyncio.Future[Sequence[AddrInfoType]]]] = {}

    async def addresses(self, host: str, port: int) -> list[AddrInfoType]:
        """Raises BlockedError where none is open, OSError or UnicodeError where there is none."""
        found = literal(host, port) or await self._named(host, port)
        if self._egress is None:
            return list(found)
        refusals = [self._egress.check(str(address[0]), port) for *_, address in found]
        allowed = [entry for entry, refusal in zip(found, refusals, strict=True) if refusal is None]
        if not allowed:
            log.warning("address refused", host=host, port=port, address=found[0][4][0], reason=refusals[0])
            raise BlockedError
        return allowed

    def forget(self, host: str, port: int) -> None:
        """Looks the name up again next time: its addresses did not serve."""
        self._names.pop((host, port), None)

    async def _named(self, host: str, port: int) -> Sequence[AddrInfoType]:
        known = self._names.get((host, port))
        if known is None or known[0] < self._loop.time():
            if len(self._names) >= NAMES_KEPT:
                del self._names[next(iter(self._names))]
            task = asyncio.ensure_future(self._lookup(host, port))
            known = self._names[host, port] = (self._loop.time() + self._seconds, task)
            task.add_done_callback(lambda done: self._drop_failed(host, port, done))
        # Shielded: one request that is cut off takes nothing away from the others that ask.
        return await asyncio.shield(known[1])

    def _drop_failed(self, host: str, port: int, done: "asyncio.Future[Sequence[AddrInfoType]]") -> None:
        if done.cancelled() or done.exception() is not None:
            known = self._names.get((host, port))
            if known is not None and known[1] is done:
                del self._names[host, port]


def literal(host: str, port: int) -> list[AddrInfoType] | None:
    """The address that stands in a URL as it is; None for a name."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if address.version == 4:  # noqa: PLR2004
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
    return [(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))]
