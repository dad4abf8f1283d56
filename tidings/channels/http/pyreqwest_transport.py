"""HTTP over pyreqwest, which is reqwest of Rust: the fast transport, at some 60 % of aiohttp's CPU time a request.

It keeps what `aiohttp_transport.py` promises. Where pyreqwest by itself would not, aiohttp serves the request:

- A URL that pyreqwest would write in another way (its query may be signed), or that holds more than an address, a path
  and a query.
- With an `Egress`, a name without a client that is pinned to its checked address (`pinned_clients.py`), or whose pinned
  address takes no connection. Addresses that stand in a URL as they are are checked here.

pyreqwest sends a request again only where not a byte of it was written, because a kept connection turned out to be
closed. It has no cookies, and is told to unpack nothing, follow no redirect and use no proxy.

It runs in a thread of its own and calls nothing back: a request whose task is cancelled goes on to its time limit. Only
a consumer that has waited `GRACE_SECONDS`, which are no fewer, cancels any.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import lru_cache, partial
from time import monotonic
from typing import Final

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DecodeError, DetailedPyreqwestError, PyreqwestError, RequestTimeoutError
from pyreqwest.http import Url
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response, ResponseBodyReader

from tidings.channels.http.aiohttp_transport import AiohttpTransport
from tidings.channels.http.guard import BlockedError, GuardedResolver, require_open
from tidings.channels.http.pinned_clients import WORTH, PinnedClients
from tidings.channels.http.transport import (
    BODY_LIMIT,
    IDLE_SECONDS,
    INVALID,
    NAME_SECONDS,
    OWN_HEADERS,
    Answer,
    ForbiddenError,
    TransportError,
)
from tidings.domain.errors import SettingsError
from tidings.security.egress import Egress
from tidings.settings import Settings

_CONNECTING: Final = "client error (Connect)"
"""Among the causes of what failed before there was a connection, and of nothing else."""

_SYSTEM_ERROR: Final = re.compile(r"\(os error (\d+)\)$")
_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


class PyreqwestTransport:
    """A Transport; create it inside the running event loop. Raises SettingsError on a machine without certificates.

    Without an `egress` it goes anywhere, which is for addresses that the operator has set. The other arguments are for
    names under an `egress`: `resolver` is the system's unless another one is given, its answers are good for
    `name_seconds`, and a name has a client of its own from its request number `worth` on.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        egress: Egress | None = None,
        resolver: AbstractResolver | None = None,
        name_seconds: int = NAME_SECONDS,
        worth: int = WORTH,
    ) -> None:
        self._connect_timeout = settings.connect_timeout
        self._total_timeout = settings.delivery_timeout
        self._egress = egress
        try:
            self._client = self._new_builder().build()
        except PyreqwestError as error:
            raise SettingsError(f"HTTP_TRANSPORT: pyreqwest does not start: {_causes(error)[-1]}") from None
        self._aiohttp = AiohttpTransport(settings, egress=egress, resolver=resolver, name_seconds=name_seconds)
        self._pinned: PinnedClients | None = None
        if egress is not None:
            self._pinned = PinnedClients(
                partial(self._new_pinned_client, egress),
                GuardedResolver(resolver or ThreadedResolver(), egress),
                connect_timeout=settings.connect_timeout,
                name_seconds=name_seconds,
                worth=worth,
            )

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises TransportError where no answer came within the time limits."""
        target = _as_written(url)
        if target is None:
            return await self._aiohttp.post(url, body=body, headers=headers)
        if self._egress is None or self._pinned is None:
            return await self._send(self._client, target, body, headers)
        if target.domain is not None:
            return await self._post_to_name(self._pinned, target, body, headers)
        address, port = _place(target)
        try:
            require_open(self._egress, address, port)
        except BlockedError as error:
            raise ForbiddenError(str(error)) from None
        return await self._send(self._client, target, body, headers)

    async def close(self) -> None:
        if self._pinned is not None:
            self._pinned.close()
        await self._client.close()
        await self._aiohttp.close()

    async def _post_to_name(
        self, pinned: PinnedClients, target: Url, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        deadline = monotonic() + self._total_timeout
        name, port = _place(target)
        client = await pinned.find(name, port)
        if client is not None:
            try:
                return await self._send(client, target, body, headers, within=deadline - monotonic())
            except _UnconnectedError:
                # Nothing has gone out. aiohttp tries all the addresses of a name, not only the one that is pinned.
                pinned.forget(name, port)
        left = deadline - monotonic()
        if left <= 0:
            raise TransportError(f"no connection: timed out after {self._total_timeout:g} s")
        return await self._aiohttp.post(str(target), body=body, headers=headers, within=left)

    async def _send(
        self, client: Client, target: Url, body: bytes, headers: Mapping[str, str], *, within: float | None = None
    ) -> Answer:
        try:
            request = _new_request(client, target, body, headers, within)
        except ValueError:
            raise TransportError(INVALID) from None
        try:
            async with request as response:
                return Answer(response.status, _Headers(response), await _read(response.body_reader))
        except PyreqwestError as error:
            # `from None`: the causes' texts name the whole URL.
            raise self._failure(error) from None

    def _new_builder(self) -> ClientBuilder:
        return (
            ClientBuilder()
            .connect_timeout(timedelta(seconds=self._connect_timeout))
            .timeout(timedelta(seconds=self._total_timeout))
            .pool_idle_timeout(timedelta(seconds=IDLE_SECONDS))
            .default_headers(OWN_HEADERS)
            .no_proxy()
            .follow_redirects(False)
            .gzip(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            # Names of headers go out as the channels write them; the other choice is `Title-Case`.
            .http1_lower_case_headers()
            # As lenient as aiohttp: an answer with a crooked header is an answer, and the message is through.
            .http1_allow_obsolete_multiline_headers_in_responses(True)
            .http1_ignore_invalid_headers_in_responses(True)
        )

    def _new_pinned_client(self, egress: Egress, name: str, address: str, port: int) -> Client:
        require_open(egress, address, port)
        return self._new_builder().resolve(name, address, port).build()

    def _failure(self, error: PyreqwestError) -> TransportError:
        causes = _causes(error)
        if _CONNECTING in causes:
            if isinstance(error, RequestTimeoutError):
                return _UnconnectedError(f"no connection: timed out after {self._connect_timeout:g} s")
            return _UnconnectedError(f"no connection: {_why_unconnected(causes)}")
        if isinstance(error, RequestTimeoutError):
            return TransportError(f"timed out after {self._total_timeout:g} s", unanswered=True)
        return TransportError(f"connection lost: {_why_lost(error, causes)}", unanswered=True)


class _UnconnectedError(TransportError):
    """There was no connection, so nothing has gone out."""


class _Headers(Mapping[str, str]):
    """Those of a response, read when somebody asks. One whose value is not ASCII is not there."""

    __slots__ = ("_response",)

    def __init__(self, response: Response) -> None:
        self._response = response

    def __getitem__(self, name: str) -> str:
        try:
            value = self._response.get_header(name)
        except ValueError:
            value = None
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in dict.fromkeys(self._response.headers.keys()) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=4096)
def _as_written(url: str) -> Url | None:
    """The URL as pyreqwest reads it; None where it would not go out letter for letter, or is none."""
    try:
        target = Url(url)
    except ValueError:
        return None
    written = str(target)
    if written not in {url, f"{url}/"}:  # the second where it has no path
        return None
    if target.scheme not in {"http", "https"} or "#" in url or "@" in target.authority:
        return None
    if target.domain is not None and _NAME.fullmatch(target.domain) is None:
        return None
    return target


def _place(target: Url) -> tuple[str, int]:
    """Name or address, and port."""
    return (target.host_str or "").strip("[]"), target.port_or_known_default or 0


def _new_request(
    client: Client, target: Url, body: bytes, headers: Mapping[str, str], within: float | None
) -> StreamRequest:
    """Raises ValueError where a header cannot be sent."""
    builder = client.post(target).headers(headers).body_bytes(body)
    if not body:
        builder.header("Content-Length", "0")  # by itself it sends none; RFC 9110, section 8.6
    if within is not None:
        builder.timeout(timedelta(seconds=max(within, 0)))
    # 0: the response is here with its head. More would be read of the body first, and lose the status with it.
    return builder.streamed_read_buffer_limit(0).build_streamed()


async def _read(reader: ResponseBodyReader) -> bytes:
    """The body, or as much of it as comes within the limits of size and time."""
    body = bytearray()
    try:
        while len(body) < BODY_LIMIT and (chunk := await reader.read_chunk()) is not None:
            body += chunk
    except PyreqwestError:
        # The status has come. To take this for a failure would send an accepted message a second time.
        pass
    return bytes(body[:BODY_LIMIT])


def _causes(error: PyreqwestError) -> list[str]:
    found = error.details["causes"] if isinstance(error, DetailedPyreqwestError) else None
    return [cause["message"] for cause in found or ()] or [type(error).__name__]


# In words of our own: the texts of pyreqwest repeat the whole URL. What is not recognized has a name, and no more.


def _why_unconnected(causes: list[str]) -> str:
    if "dns error" in causes:
        return "the host name was not found"
    return _system_error(causes) or f"TLS failed: {causes[-1].partition(';')[0]}"


def _why_lost(error: PyreqwestError, causes: list[str]) -> str:
    if "connection closed before message completed" in causes:
        return "closed without an answer"
    if isinstance(error, DecodeError):
        return "the answer is not valid HTTP"
    return _system_error(causes) or type(error).__name__


def _system_error(causes: list[str]) -> str | None:
    found = _SYSTEM_ERROR.search(causes[-1])
    return None if found is None else os.strerror(int(found[1]))
