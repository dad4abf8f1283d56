"""Connects a socket to where it may go: names are resolved here, and each address is checked before it is used."""

import asyncio
import os
import socket
from typing import Final

import structlog
from aiohappyeyeballs import start_connection

from tidings.channels.http.guard import SAID
from tidings.channels.smtp.errors import ConnectionLostError, PermanentError, Phase, TransientError
from tidings.security.egress import Egress

log = structlog.get_logger(__name__)

HAPPY_EYEBALLS_SECONDS: Final = 0.25
"""Head start of each address over the next (RFC 8305, section 5)."""


async def dial(host: str, port: int, *, egress: Egress, timeout: float) -> socket.socket:
    """Returns a connected socket. `timeout` covers resolving the name and connecting, in seconds.

    A name with several addresses is reached at those that `egress` allows. Raises PermanentError if it allows none,
    TransientError if nothing responds.
    """
    try:
        async with asyncio.timeout(timeout):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            refusals = [egress.check(str(address[0]), port) for *_, address in found]
            allowed = [entry for entry, refused in zip(found, refusals, strict=True) if refused is None]
            if not allowed:
                log.warning("address refused", host=host, port=port, address=found[0][4][0], reason=refusals[0])
                # Neither which nor why: the sender may be exploring a network.
                raise PermanentError(Phase.CONNECT, SAID)
            return await start_connection(allowed, happy_eyeballs_delay=HAPPY_EYEBALLS_SECONDS)
    except socket.gaierror:
        raise TransientError(Phase.CONNECT, "the host name was not found") from None
    except UnicodeError:
        raise PermanentError(Phase.CONNECT, "the host name is malformed") from None
    except OSError as error:  # a TimeoutError is one; with an errno it is the operating system's
        reason = os.strerror(error.errno) if error.errno else f"timed out after {timeout:g} s"
        raise ConnectionLostError(Phase.CONNECT, reason) from None
