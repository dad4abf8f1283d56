"""The command line's side of the API: JSON over HTTP, problems as one line.

A request that may be repeated (a GET, or a POST under an idempotency key) is, as long as the API is away and the
client's patience lasts.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

import aiohttp
import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_delay, wait_exponential, wait_random
from yarl import URL

from tidings.domain.errors import TidingsError

TIMEOUT: Final = aiohttp.ClientTimeout(total=60, connect=5)
STREAM_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
STREAM_BUFFER: Final = 2**20
"""Bytes; a snapshot of everything is one line."""
IDEMPOTENCY_KEY: Final = "Idempotency-Key"

_AWAY: Final = frozenset(
    {
        *(None, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT),
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""No answer, or one that is worth waiting for: the quota fills up again."""
_BACKOFF: Final = wait_exponential(multiplier=0.1, max=2) + wait_random(0, 0.1)


class ApiError(TidingsError):
    """The API cannot be reached or refused a request."""

    def __init__(self, text: str, *, status: int | None = None, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.status = status
        """None where no answer came."""
        self.problem: Mapping[str, Any] = problem or {}
        """The answer, where it was a problem document (RFC 9457)."""
        self.retry_after: float | None = None
        """Seconds, where it said so."""

    @property
    def detail(self) -> str:
        """What the API said, without the status."""
        return _detail(self.problem)


class ApiClient:
    """A connection to one API; use it as an async context manager."""

    def __init__(self, url: str, api_key: str = "", *, patience_seconds: float = 0.0) -> None:
        base = URL(url) if "://" in url else URL(f"http://{url}")
        if base.scheme not in {"http", "https"} or not base.host:
            raise ApiError(f"{url!r} is not the address of an API; give it as http://host:port")
        self._base = base
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._patience = patience_seconds
        self._opened: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._opened = aiohttp.ClientSession(headers=self._headers, timeout=TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened:
            await self._opened.close()

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The decoded answer. Raises ApiError for anything but success."""
        return await self._patiently("GET", path, params=parameters)

    async def post(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        """The decoded answer. Raises ApiError for anything but success."""
        options = _with_body(body, headers)
        if headers and IDEMPOTENCY_KEY in headers:
            return await self._patiently("POST", path, **options)
        return await self._request("POST", path, **options)

    async def put(self, path: str, body: object) -> Any:
        """The decoded answer. Raises ApiError for anything but success."""
        return await self._request("PUT", path, **_with_body(body, None))

    async def delete(self, path: str) -> Any:
        """The decoded answer. Raises ApiError for anything but success."""
        return await self._request("DELETE", path)

    async def listen(self, path: str) -> AsyncGenerator[Any, None]:
        """The decoded data of each server-sent event, until the API ends the stream. Raises ApiError."""
        try:
            async with self._session.get(
                self._at(path),
                headers={"Accept": "text/event-stream"},
                timeout=STREAM_TIMEOUT,
                read_bufsize=STREAM_BUFFER,
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise _refusal(response.status, _decoded(await response.read()))
                async for event in events(response.content):
                    yield msgspec.json.decode(event.data)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._no_answer(error) from None

    async def _patiently(self, method: str, path: str, **options: Any) -> Any:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_is_away),
            stop=stop_after_delay(self._patience),
            wait=self._wait,
            reraise=True,
        ):
            with attempt:
                return await self._request(method, path, **options)
        raise AssertionError("unreachable: the last attempt is raised again")

    def _wait(self, state: RetryCallState) -> float:
        """What a refusal asks for, within the client's patience, or a little more each time."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ApiError) else None
        return _BACKOFF(state) if asked is None else min(asked, self._patience)

    async def _request(self, method: str, path: str, **options: Any) -> Any:
        try:
            async with self._session.request(method, self._at(path), **options) as response:
                status, body, headers = response.status, await response.read(), response.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._no_answer(error) from None
        answer = _decoded(body)
        if not 200 <= status < 300:  # noqa: PLR2004  the class of success
            refusal = _refusal(status, answer)
            refusal.retry_after = _seconds(headers.get("Retry-After", ""))
            raise refusal
        return answer

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            raise RuntimeError("the client is used outside its context")
        return self._opened

    def _at(self, path: str) -> URL:
        return self._base.join(URL(path, encoded=True))

    def _no_answer(self, error: Exception) -> ApiError:
        reason = str(error) or type(error).__name__
        return ApiError(f"no answer from {self._base}: {reason}; is `tidings up` running there?")


def of_message(message_id: str, what: str = "") -> str:
    """The path of a message, or of something of it, whatever was typed for its id."""
    return f"/api/v1/messages/{quote(message_id, safe='')}{what}"


def of_queue(name: str, what: str = "") -> str:
    """The path of a queue, or of something of it, whatever was typed for its name."""
    return f"/api/v1/queues/{quote(name, safe='')}{what}"


def _with_body(body: object, headers: Mapping[str, str] | None) -> dict[str, Any]:
    if body is None:
        return {"headers": headers}
    return {
        "data": msgspec.json.encode(body),
        "headers": {"Content-Type": "application/json", **(headers or {})},
    }


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None


def _is_away(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.status in _AWAY


def _refusal(status: int, answer: object) -> ApiError:
    problem: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
    said = _detail(problem)
    if status == HTTPStatus.UNAUTHORIZED:
        said += " (--api-key or API_KEY gives the token)"
    return ApiError(f"the API refused ({status}): {said}", status=status, problem=problem)


def _seconds(text: str) -> float | None:
    return float(text) if text.isdecimal() else None


def _detail(problem: Mapping[str, Any]) -> str:
    return str(problem.get("detail") or problem.get("title") or "it gave no reason")


class Event(NamedTuple):
    """One event: its name, and its data as one text."""

    name: str
    data: str


async def events(lines: AsyncIterable[bytes]) -> AsyncIterator[Event]:
    """The server-sent events in a stream that is read line by line (HTML Living Standard, section 9.2.6).

    Comments, and an event that is cut off at the end, are left out.
    """
    name, data = "message", list[str]()
    async for raw in lines:
        line = raw.decode(errors="replace").rstrip("\r\n")
        if not line:
            if data:
                yield Event(name, "\n".join(data))
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
