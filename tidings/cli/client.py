"""The command line's side of the API: tidings_client, with its errors in the words of a terminal.

Answers stay JSON: what a newer API adds is printed too.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from tidings.domain.errors import TidingsError
from tidings_client import AsyncClient, Error, NoAnswerError, RefusedError


class ApiError(TidingsError):
    """The API cannot be reached or refused a request."""

    def __init__(self, text: str, *, status: int | None = None, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.status = status
        """None where no answer came."""
        self.problem: Mapping[str, Any] = problem or {}
        """The answer, where it was a problem document (RFC 9457)."""
        self.detail = text
        """What the API said, without the status."""


class ApiClient:
    """A connection to one API; use it as an async context manager. Raises ApiError for anything but success."""

    def __init__(self, url: str, api_key: str = "", *, patience_seconds: float = 0.0) -> None:
        """Asks again for so long, where that does nothing twice."""
        with _in_our_words():
            # The address is given, or this machine's: no proxy is between.
            self._client = AsyncClient(url, api_key, patience=patience_seconds, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.close()

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The decoded answer."""
        with _in_our_words():
            return await self._client.request("GET", path, query=parameters)

    async def post(self, path: str, body: object = None, *, key: str | None = None) -> Any:
        """The decoded answer; under an idempotency key it is asked for again and again."""
        with _in_our_words():
            return await self._client.request("POST", path, body=body, idempotency_key=key)

    async def put(self, path: str, body: object) -> Any:
        """The decoded answer."""
        with _in_our_words():
            return await self._client.request("PUT", path, body=body)

    async def delete(self, path: str) -> Any:
        """The decoded answer."""
        with _in_our_words():
            return await self._client.request("DELETE", path)

    async def listen(self, path: str) -> AsyncGenerator[Any, None]:
        """The decoded data of each server-sent event, until the API ends the stream."""
        with _in_our_words():
            async with aclosing(self._client.listen(path)) as events:
                async for event in events:
                    yield event


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        hint = " (--api-key or API_KEY gives the token)" if error.status == HTTPStatus.UNAUTHORIZED else ""
        refused = ApiError(f"{error}{hint}", status=error.status, problem=error.problem)
        refused.detail = error.detail
        raise refused from None
    except NoAnswerError as error:
        raise ApiError(f"{error}; is `tidings up` running there?") from None
    except Error as error:
        raise ApiError(str(error)) from None
