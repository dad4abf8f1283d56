"""The HTTP client that messages are delivered with: one POST, one answer, within its time limits.

In play: idle connections (`pool.py`), each a state machine (`connection.py`), and what opens new ones
(`connecting.py`). A status of three digits that came is the outcome; what follows is best effort. No redirect is
followed, nothing is unpacked, cookies are not kept, and what a receiver may cost is bounded: a limit to connect, one
for the whole try, 64 KiB of head and of body.

May send a request twice: where a kept connection ends before one byte of an answer came, it goes out once more on a new
one, with the headers that mark a possible duplicate. The receiver may have taken it the first time.
"""

import asyncio
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Final

import structlog

from tidings.channels.http.connecting import Connector, reason, refuses_certificate
from tidings.channels.http.connection import Connection, LostError, NotHttpError
from tidings.channels.http.pool import Pool
from tidings.channels.http.requests import Target, head, read_url
from tidings.channels.http.resolving import Lookup, system_lookup
from tidings.channels.http.time_limits import TimeLimit, TimeLimits
from tidings.channels.http.tls import Trust, system_trust
from tidings.channels.http.transport import INVALID, NAME_SECONDS, NO_HEADERS, Answer, ShortageError, TransportError
from tidings.domain.addresses import parse_proxy
from tidings.runtime.files import open_files_limit
from tidings.security.client_certificate import ClientCertificate
from tidings.security.egress import Egress
from tidings.settings import Settings

log = structlog.get_logger(__name__)

TARGETS_KEPT: Final = 4096
IDLE_LIMIT: Final = 2048
"""Idle connections that are kept; fewer where files are scarce."""
IDLE_SHARE: Final = 4
"""Of all files that this process may open, one in so many is for idle connections."""
SHED_SECONDS: Final = 0.05
"""What the operating system is given to take back the files of closed connections."""


class HttpClient:
    """A Transport; create it inside the running event loop.

    With an `egress` it goes where that allows, and through `EGRESS_PROXY` where one is set. Without, it goes anywhere,
    which is for addresses that the operator has set.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        egress: Egress | None = None,
        lookup: Lookup = system_lookup,
        name_seconds: float = NAME_SECONDS,
        trust: Trust = system_trust,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connect_timeout = settings.connect_timeout
        self._total_timeout = settings.delivery_timeout
        self._limits = TimeLimits(settings.delivery_timeout)
        self._target = lru_cache(TARGETS_KEPT)(read_url)
        self._pool = Pool(
            per_key=settings.in_flight_per_destination, total=min(IDLE_LIMIT, open_files_limit() // IDLE_SHARE)
        )
        self._connector = Connector(
            egress=egress,
            proxy=parse_proxy(settings.egress_proxy) if egress is not None and settings.egress_proxy else None,
            lookup=lookup,
            name_seconds=name_seconds,
            trust=trust,
        )

    async def post(
        self,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        when_repeated: Mapping[str, str] = NO_HEADERS,
        certificate: ClientCertificate | None = None,
        method: str = "POST",
    ) -> Answer:
        """Raises TransportError where no answer came within the time limits."""
        try:
            target = self._target(url)
            request = head(target, headers, len(body), method) + body
        except ValueError:
            raise TransportError(INVALID) from None
        key = target.key if certificate is None else (target.key, certificate)
        limit = self._limits.begin()
        try:
            connection = self._pool.take(key)
            kept = connection is not None
            while True:
                if connection is None:
                    connection = await self._open(target, key, certificate, limit)
                try:
                    limit.holds_for(connection)
                    answer = await connection.request(request)
                except LostError as error:
                    if not kept or not error.untouched or limit.passed:
                        raise
                    # Once more, on a new one.
                    connection, kept = None, False
                    if when_repeated:
                        request = head(target, {**headers, **when_repeated}, len(body), method) + body
                except BaseException:
                    connection.close()
                    raise
                else:
                    self._pool.put(connection)
                    return answer
        except LostError as error:
            # `from None`: nothing of what the receiver sent or the URL holds gets into a text.
            raise self._lost(error, limit) from None
        finally:
            self._limits.done(limit)

    async def close(self) -> None:
        """Closes idle connections. A request under way ends by its time limit."""
        self._pool.close()

    async def _open(
        self, target: Target, key: Hashable, certificate: ClientCertificate | None, limit: TimeLimit
    ) -> Connection:
        until, named = min(
            (self._loop.time() + self._connect_timeout, self._connect_timeout), (limit.at, self._total_timeout)
        )
        try:
            return await self._connector.open(target, key, certificate, until=until, named=named)
        except ShortageError as error:
            if not self._pool.shed():
                raise
            log.warning("idle connections closed", reason=str(error))
        await asyncio.sleep(SHED_SECONDS)
        return await self._connector.open(target, key, certificate, until=until, named=named)

    def _lost(self, error: LostError, limit: TimeLimit) -> TransportError:
        if limit.passed:
            text = f"timed out after {self._total_timeout:g} s"
        elif isinstance(error.cause, NotHttpError):
            text = "connection lost: the answer is not valid HTTP"
        elif error.cause is None:
            text = f"connection lost: closed {'without' if error.untouched else 'within'} an answer"
        else:
            text = f"connection lost: {reason(error.cause)}"
        # TLS 1.3 tells after the handshake that it wants another certificate; the request was not read.
        return TransportError(text, unanswered=not refuses_certificate(error.cause))
