"""Connects a socket to where it may go: names are resolved here, and each address is checked before it is used."""

import asyncio
import os
import socket

from tidings.channels.base import About
from tidings.channels.http.resolving import BlockedError, connect, permitted, system_lookup
from tidings.channels.smtp.errors import ConnectionLostError, TransientError
from tidings.channels.smtp.replies import Phase
from tidings.security.egress import Egress


async def dial(host: str, port: int, *, egress: Egress, timeout: float) -> socket.socket:
    """Returns a connected socket. `timeout` covers resolving the name and connecting, in seconds.

    A name with several addresses is reached at those that `egress` allows. Raises TransientError, which speaks of the
    account if it allows none.
    """
    try:
        async with asyncio.timeout(timeout):
            return await connect(permitted(await system_lookup(host, port), host, port, egress))
    except BlockedError as error:
        raise TransientError(Phase.CONNECT, str(error), about=About.ACCOUNT) from None
    except socket.gaierror:
        raise TransientError(Phase.CONNECT, "the host name was not found", about=About.HOST) from None
    except UnicodeError:
        raise TransientError(Phase.CONNECT, "the host name is malformed", about=About.ACCOUNT) from None
    except OSError as error:  # a TimeoutError is one; with an errno it is the operating system's
        reason = os.strerror(error.errno) if error.errno else f"timed out after {timeout:g} s"
        raise ConnectionLostError(Phase.CONNECT, reason, about=About.HOST) from None
