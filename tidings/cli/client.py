"""The command line's side of the API: JSON over HTTP, problems as one line."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import msgspec
from yarl import URL

from tidings.errors import TidingsError

TIMEOUT: Final = aiohttp.ClientTimeout(total=60, connect=5)


class ApiError(TidingsError):
    """The API cannot be reached or refused a request."""

    def __init__(self, text: str, *, status: int | None = None, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.status = status
        """None where no answer came."""
        self.problem: Mapping[str, Any] = problem or {}
        """The answer, where it was a problem document (RFC 9457)."""


class ApiClient:
    """A connection to one API; use it as an async context manager."""

    def __init__(self, url: str, api_key: str = "") -> None:
        base = URL(url) if "://" in url else URL(f"http://{url}")
        if base.scheme not in {"http", "https"} or not base.host:
            raise ApiError(f"{url!r} is not the address of an API: http://host:port is")
        self._base = base
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The decoded answer. Raises ApiError for anything but success."""
        return await self._request("GET", path, params=parameters)

    async def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Any:
        """The decoded answer. Raises ApiError for anything but success."""
        encoded = msgspec.json.encode(body)
        return await self._request(
            "POST", path, data=encoded, headers={"Content-Type": "application/json", **(headers or {})}
        )

    async def _request(self, method: str, path: str, **options: Any) -> Any:
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        try:
            async with self._session.request(method, self._base.join(URL(path)), **options) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise ApiError(f"no answer from {self._base}: {reason}; is `tidings up` running there?") from None
        try:
            answer = msgspec.json.decode(body) if body else None
        except msgspec.DecodeError:
            answer = None
        if not 200 <= status < 300:  # noqa: PLR2004  the class of success
            problem = answer if isinstance(answer, dict) else {}
            raise ApiError(_in_one_line(status, problem), status=status, problem=problem)
        return answer


def _in_one_line(status: int, problem: Mapping[str, Any]) -> str:
    said = str(problem.get("detail") or problem.get("title") or "it gave no reason")
    if status == 401:  # noqa: PLR2004
        said += " (--api-key or API_KEY gives the token)"
    return f"the API refused ({status}): {said}"
