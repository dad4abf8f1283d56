"""Connects a socket to where it may go: names are resolved here, and each address is checked before it is used."""

import asyncio
import os
import socket

from tidings.channels.http.resolving import BlockedError, connect, permitted, system_lookup
from tidings.channels.smtp.errors import ConnectionLostError, PermanentError, Phase, TransientError
from tidings.security.egress import Egress


async def dial(host: str, port: int, *, egress: Egress, timeout: float) -> socket.socket:
    """Returns a connected socket. `timeout` covers resolving the name and connecting, in seconds.

    A name with several addresses is reached at those that `egress` allows. Raises PermanentError if it allows none,
    TransientError if nothing responds.
    """
    try:
        async with asyncio.timeout(timeout):
            return await connect(permitted(await system_lookup(host, port), host, port, egress))
    except BlockedError as error:
        raise PermanentError(Phase.CONNECT, str(error)) from None
    except socket.gaierror:
        raise TransientError(Phase.CONNECT, "the host name was not found") from None
    except UnicodeError:
        raise PermanentError(Phase.CONNECT, "the host name is malformed") from None
    except OSError as error:  # a TimeoutError is one; with an errno it is the operating system's
        reason = os.strerror(error.errno) if error.errno else f"timed out after {timeout:g} s"
        raise ConnectionLostError(Phase.CONNECT, reason) from None
