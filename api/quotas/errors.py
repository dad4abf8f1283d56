"""What is refused because of a quota.

RequestError (api.http.problems)
├── OverQuotaError         429  with Retry-After, and the fields that say what the limits are
└── TooLargeForQuotaError  413  it would be over the quota if there were nothing else
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs

from api.http.problems import RequestError

EXAMPLE: Final = "your quota is 50 messages a second, 500 at once; try again in 1 second"

EXAMPLE_OF_CHANGES: Final = "your quota is 50 changes a second, 500 at once; try again in 1 second"


class OverQuotaError(RequestError):
    """As many messages of this user were accepted as may be, or wait; or they changed as much as may be."""

    def __init__(self, detail: str, retry_after_seconds: int, *, fields: Mapping[str, str] | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        seconds = "1 second" if retry_after_seconds == 1 else f"{retry_after_seconds} seconds"
        super().__init__(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"{detail}; try again in {seconds}",
            headers={hdrs.RETRY_AFTER: str(retry_after_seconds), **(fields or {})},
        )


class TooLargeForQuotaError(RequestError):
    """One request is larger than the quota; `most` in bytes, None where it has too many messages."""

    def __init__(self, most: int | None) -> None:
        what = "is for fewer messages at once" if most is None else f"is {most} bytes that wait"
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"your quota {what}")
