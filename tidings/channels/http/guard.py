"""Keeps HTTP connections to where they may go (`tidings/security/egress.py`), in the two places where aiohttp lets
others in.

The resolver leaves out what may not be connected to, so that a name with both kinds of addresses is reached at the
others. The socket factory has the last word: aiohttp asks it for a socket right before it connects that socket to the
address in question, for each new connection, for each address of a race (Happy Eyeballs), and for addresses that stand
in a URL as they are and see no resolver. Nothing is resolved between its yes and the connecting, so a name that leads
elsewhere the second time (DNS rebinding) gains nothing.

A pooled connection was checked when it was made, and its far end does not change with the name that it was found
under. The pool is keyed by that name, so guarded and unguarded requests must not share one: each transport has its own.
"""

import socket
from typing import Final

import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

from tidings.security.egress import Egress

log = structlog.get_logger(__name__)

SAID: Final = "the address is not one that messages may be sent to"


class BlockedError(OSError):
    """The address is not open. Its text says neither which nor why: whoever asks may be exploring a network."""

    def __init__(self) -> None:
        super().__init__(SAID)


class GuardedResolver(AbstractResolver):
    """Answers what another resolver answers, without the addresses that are not open."""

    def __init__(self, resolver: AbstractResolver, egress: Egress) -> None:
        self._resolver = resolver
        self._egress = egress

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises BlockedError where none is left."""
        found = await self._resolver.resolve(host, port, family)
        refusals = [self._egress.check(address["host"], address["port"]) for address in found]
        allowed = [address for address, refusal in zip(found, refusals, strict=True) if refusal is None]
        if found and not allowed:
            log.warning("address refused", host=host, port=port, address=found[0]["host"], reason=refusals[0])
            raise BlockedError
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


class GuardedSockets:
    """aiohttp's `socket_factory`."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    def __call__(self, address_info: AddrInfoType) -> socket.socket:
        """A socket for an address. Raises BlockedError, and tells the operator, where it may not connect."""
        family, kind, protocol, _, (host, port, *_) = address_info
        refusal = self._egress.check(str(host), int(port))
        if refusal is not None:
            log.warning("address refused", address=host, port=port, reason=refusal)
            raise BlockedError
        return socket.socket(family, kind, protocol)
