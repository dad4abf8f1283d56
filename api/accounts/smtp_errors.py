"""What the SMTP accounts refuse, each with the status that clients see.

RequestError (api.http.problems)
├── NoSuchAccountError    404
├── AccountTakenError     409  there is one of that name
├── TooManyAccountsError  409
├── TooManyTrialsError    429  with Retry-After
└── TrialsBusyError       503  others are being tried, or Redis, which counts them, is away; with Retry-After
"""

from http import HTTPStatus
from typing import Final

from aiohttp import hdrs

from api.http.problems import RequestError
from sql.smtp_accounts import MAX_ACCOUNTS

NO_SUCH_ACCOUNT: Final = "there is no such SMTP account"
TAKEN: Final = "there is an SMTP account of that name; PUT replaces it"
BUSY: Final = "no SMTP account can be tried at present; try again"


class NoSuchAccountError(RequestError):
    """The user has no such account."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, NO_SUCH_ACCOUNT)


class AccountTakenError(RequestError):
    """The user has an account of that name."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.CONFLICT, TAKEN)


class TooManyAccountsError(RequestError):
    """The user has as many as may be."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.CONFLICT, f"there are {MAX_ACCOUNTS} SMTP accounts already; delete one")


class TooManyTrialsError(RequestError):
    """The user has tried too often."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"too many mails to oneself; try again in {retry_after_seconds} seconds",
            headers={hdrs.RETRY_AFTER: str(retry_after_seconds)},
        )


class TrialsBusyError(RequestError):
    """As many accounts are being tried as may be at a time."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, headers={hdrs.RETRY_AFTER: "5"})
