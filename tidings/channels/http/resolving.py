"""The addresses of a host that may be connected to: names are looked up here, kept briefly, and each address checked.

An address is checked right before it is connected to, and nothing is resolved in between, so a name that leads
elsewhere the second time (DNS rebinding) gains nothing. Addresses that are not open are left out: a name with both
kinds is reached at the others.
"""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Final

import structlog
from aiohappyeyeballs import AddrInfoType, start_connection

from tidings.security.egress import Egress

log = structlog.get_logger(__name__)

NAMES_KEPT: Final = 4096
"""Names whose addresses are kept; beyond that, the oldest are forgotten."""
HAPPY_EYEBALLS_SECONDS: Final = 0.25
"""Head start of each address over the next (RFC 8305, section 5)."""
REFUSED: Final = "the address is not one that messages may be sent to"
"""Neither which nor why: whoever asks may be exploring a network."""
SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Our own: no file descriptor or memory is left."""

# A name whose servers do not respond holds its thread for up to half a minute, and the event loop's own are two to six.
_THREADS: Final = ThreadPoolExecutor(128, thread_name_prefix="name")

Lookup = Callable[[str, int], Awaitable[Sequence[AddrInfoType]]]


class BlockedError(OSError):
    """No address of the host is open."""

    def __init__(self) -> None:
        super().__init__(REFUSED)


async def system_lookup(host: str, port: int) -> Sequence[AddrInfoType]:
    """What the operating system answers. Raises OSError, or UnicodeError for what is no name."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, look_up)


def literal(host: str, port: int) -> list[AddrInfoType] | None:
    """The address that stands in a URL as it is; None for a name, and for an address with a zone."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if "%" in host:
        return None
    if address.version == 4:  # noqa: PLR2004
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
    return [(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))]


def permitted(found: Sequence[AddrInfoType], host: str, port: int, egress: Egress | None) -> Sequence[AddrInfoType]:
    """Those that are open. Raises BlockedError, and tells the operator, where none is."""
    if egress is None:
        return found
    refusals = [egress.check(str(address[0]), port) for *_, address in found]
    allowed = [entry for entry, refusal in zip(found, refusals, strict=True) if refusal is None]
    if not allowed:
        log.warning("address refused", host=host, port=port, address=found[0][4][0], reason=refusals[0])
        raise BlockedError
    return allowed


async def connect(addresses: Sequence[AddrInfoType]) -> socket.socket:
    """A socket that is connected to the first address that responds. Raises OSError."""
    try:
        return await start_connection(addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_SECONDS)
    except OSError as error:
        if error.errno is not None:
            raise
        # Of several addresses that failed for different reasons.
        check_shortage()
        raise OSError(errno.EHOSTUNREACH, "no address responds") from None


def check_shortage() -> None:
    """Raises OSError where no socket can be had: the C library calls that a name that cannot be found."""
    socket.socket().close()


class Resolver:
    """Looks names up, once for all who ask at the same time. Create it inside the running event loop."""

    def __init__(self, egress: Egress | None, *, seconds: float, lookup: Lookup = system_lookup) -> None:
        self._egress = egress
        self._seconds = seconds
        self._lookup = lookup
        self._loop = asyncio.get_running_loop()
        self._names: dict[tuple[str, int], tuple[float, asyncio.Future[Sequence[AddrInfoType]]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[AddrInfoType]:
        """Raises BlockedError where none is open, OSError or UnicodeError where there is none."""
        found = literal(host, port)
        return permitted(found or await self._named(host, port), host, port, self._egress)

    def forget(self, host: str, port: int) -> None:
        """Looks the name up again next time: its addresses did not serve. A look-up that still runs goes on."""
        _, found = self._names.get((host, port), (0.0, None))
        if found is not None and found.done():
            del self._names[host, port]

    async def _named(self, host: str, port: int) -> Sequence[AddrInfoType]:
        name, now = (host, port), self._loop.time()
        until, found = self._names.get(name, (0.0, None))
        if found is None or (until <= now and found.done()):
            self._names.pop(name, None)
            if len(self._names) >= NAMES_KEPT:
                del self._names[next(iter(self._names))]
            found = asyncio.ensure_future(self._lookup(host, port))
            self._names[name] = (now + self._seconds, found)
            found.add_done_callback(partial(self._forget_failed, name))
        # One request that is cut off takes nothing away from others that ask. Not `asyncio.shield`: from Python 3.14
        # on it logs a failure that nobody waits for any more.
        await asyncio.wait((found,))
        return found.result()

    def _forget_failed(self, name: tuple[str, int], done: "asyncio.Future[Sequence[AddrInfoType]]") -> None:
        if (done.cancelled() or done.exception() is not None) and self._names.get(name, (0.0, None))[1] is done:
            del self._names[name]
