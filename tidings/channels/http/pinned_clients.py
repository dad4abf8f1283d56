"""Clients of pyreqwest for names that users chose, each of which connects to one checked address and to no other.

pyreqwest asks the system for the addresses of a name by itself, out of the guard's sight, unless the name is pinned to
one when a client is made. So each busy name has a client of its own, pinned to an address that the guarded resolver
(`guard.py`) let through. It is resolved again when the answer is no longer fresh, and where that address is no longer
among its addresses it gets another client; the old one ends with the last request on it.

A client costs 6 ms of CPU (it reads the system's certificates) and 0.1 MB, and saves some 25 µs a request. So a name
earns one by its requests, and only the names that were used last keep theirs. The caller serves the others in another
way, and those that cannot be resolved or reached.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp.abc import AbstractResolver
from pyreqwest.client import Client

WORTH: Final = 200
"""Requests after which a client has paid for itself."""

MOST: Final = 256
"""Names that are remembered at once, with their clients."""


class Pin(msgspec.Struct):
    """What a name leads to."""

    requests: int = 0
    client: Client | None = None
    address: str = ""
    fresh_until: float = 0.0
    asking: bool = False
    """Somebody is asking for its addresses; others go on with what there is."""


class PinnedClients:
    """`make` builds a client for a name that is pinned to an address and a port."""

    def __init__(
        self,
        make: Callable[[str, str, int], Client],
        resolver: AbstractResolver,
        *,
        connect_timeout: float,
        name_seconds: float,
        worth: int = WORTH,
        most: int = MOST,
    ) -> None:
        self._make = make
        self._resolver = resolver
        self._connect_timeout = connect_timeout
        self._name_seconds = name_seconds
        self._worth = worth
        self._most = most
        self._pins: OrderedDict[tuple[str, int], Pin] = OrderedDict()

    async def find(self, name: str, port: int) -> Client | None:
        """The client for a name; None where it has none, or none yet."""
        pin = self._pin(name, port)
        pin.requests += 1
        if not pin.asking and pin.requests >= self._worth and time.monotonic() >= pin.fresh_until:
            await self._renew(pin, name, port)
        return pin.client

    def forget(self, name: str, port: int) -> None:
        """The address takes no connections: the name has to earn a client anew."""
        self._pins.pop((name, port), None)

    def close(self) -> None:
        """Lets go of all clients; one whose requests are over closes its connections then."""
        self._pins.clear()

    def _pin(self, name: str, port: int) -> Pin:
        key = (name, port)
        pin = self._pins.get(key)
        if pin is None:
            pin = self._pins[key] = Pin()
            if len(self._pins) > self._most:
                self._pins.popitem(last=False)
        else:
            self._pins.move_to_end(key)
        return pin

    async def _renew(self, pin: Pin, name: str, port: int) -> None:
        pin.asking = True
        try:
            async with asyncio.timeout(self._connect_timeout):
                found = await self._resolver.resolve(name, port, socket.AF_UNSPEC)
            addresses = [each["host"] for each in found]
            if pin.client is None or pin.address not in addresses:
                pin.client = await asyncio.to_thread(self._make, name, addresses[0], port)
                pin.address = addresses[0]
            pin.fresh_until = time.monotonic() + self._name_seconds
        except (OSError, ValueError, IndexError):
            # No address, or none that is open, or none that pyreqwest reads (an IPv6 address with a scope).
            pin.client, pin.requests = None, 0
        finally:
            pin.asking = False
