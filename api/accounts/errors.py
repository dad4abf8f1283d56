"""What the services for accounts refuse, each with the status that clients see.

RequestError (api.http.problems)
├── WrongCredentialsError    401  unknown user or wrong password: it does not say which
├── RegistrationClosedError  403  only an admin makes accounts here
├── NoSuchUserError          404
├── NoSuchKeyError           404
├── EmailInUseError          409  another user has this e-mail address
├── TooManyLoginsError       429  too many logins or new accounts; with Retry-After
├── BusyError                503  more passwords wait to be checked than is sensible; with Retry-After
├── NoSecretKeysError        503  a secret was brought and there is no key to encrypt it with
└── InvalidError             422  names each field that is wrong
"""

from http import HTTPStatus

from aiohttp import hdrs

from api.http.problems import RequestError


class WrongCredentialsError(RequestError):
    """The e-mail address and the password are not those of a user."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.UNAUTHORIZED,
            "the e-mail address or the password is wrong",
            headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="tidings"'},
        )


class RegistrationClosedError(RequestError):
    """Strangers may not make themselves an account."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.FORBIDDEN, "registration is closed; an admin makes accounts")


class NoSuchUserError(RequestError):
    def __init__(self) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, "there is no such user")


class NoSuchKeyError(RequestError):
    """The user has no such key."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, "there is no such API key")


class EmailInUseError(RequestError):
    """Another user has this e-mail address."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.CONFLICT, "another user has this e-mail address")


class TooManyLoginsError(RequestError):
    """The client address or the e-mail address has tried too often."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"too many tries; try again in {retry_after_seconds} seconds",
            headers={hdrs.RETRY_AFTER: str(retry_after_seconds)},
        )


class BusyError(RequestError):
    """Too many passwords wait to be checked."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too many passwords are being checked; try again",
            headers={hdrs.RETRY_AFTER: "1"},
        )


class NoSecretKeysError(RequestError):
    """The operator has set no key that secrets could be encrypted with."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE, "no secret can be kept here: the operator has yet to set SECRET_KEYS"
        )
