"""What the services for accounts refuse, each with the status that clients see.

RequestError (api.http.problems)
├── WrongCredentialsError    401  unknown user or wrong password: it does not say which
├── AccountDisabledError     403  the password is right, and an admin has disabled the account
├── RegistrationClosedError  403  only an admin makes accounts here
├── NotYoursToGiveError      403  an API key that could do more than its maker
├── NoMailsHereError         409  the operator has no mail account; an admin does what a mail would
├── LinkOverError            404  a link out of a mail that is not whole, over, or used
├── NoSuchUserError          404
├── NoSuchKeyError           404
├── NoSuchSessionError       404
├── NoSuchDeletionError      404
├── EmailInUseError          409  another user has this e-mail address
├── LastAdminLeftError       409  no admin would be left who can act
├── BeingDeletedError        409  the account is being deleted, which cannot be taken back
├── ProvenAlreadyError       409  there is nothing to prove
├── TooManyKeysError         409  a user has as many API keys as can be
├── TooManyMailsError        429  mails about an account; with Retry-After
├── TooManyLoginsError       429  too many logins or new accounts; with Retry-After
├── BusyError                503  more passwords wait to be checked than is sensible; with Retry-After
├── NoSecretKeysError        503  a secret was brought and there is no key to encrypt it with
└── InvalidError             422  names each field that is wrong
"""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import hdrs

from api.http.problems import RequestError


class _RefusalError(RequestError):
    """Refused with the same words each time, which its kinds say."""

    status: HTTPStatus
    detail: str
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        super().__init__(self.status, self.detail, headers=self.headers)


class WrongCredentialsError(_RefusalError):
    """The e-mail address and the password are not those of a user."""

    status = HTTPStatus.UNAUTHORIZED
    detail = "the e-mail address or the password is wrong"
    headers: Mapping[str, str] = {hdrs.WWW_AUTHENTICATE: 'Bearer realm="tidings"'}


class AccountDisabledError(_RefusalError):
    """Told to who knows the password only."""

    status = HTTPStatus.FORBIDDEN
    detail = "this account is disabled"


class RegistrationClosedError(_RefusalError):
    """Strangers may not make themselves an account."""

    status = HTTPStatus.FORBIDDEN
    detail = "registration is closed; an admin makes accounts"


class NoMailsHereError(_RefusalError):
    """The operator has no mail account, or `PUBLIC_URL` is not set."""

    status = HTTPStatus.CONFLICT
    detail = "no mail about accounts is sent here; ask an admin"


class LinkOverError(_RefusalError):
    """No key has signed it, its time is over, or it was used."""

    status = HTTPStatus.NOT_FOUND
    detail = "this link is not whole, too old, or was used already; ask for another one"


class ProvenAlreadyError(_RefusalError):
    status = HTTPStatus.CONFLICT
    detail = "the e-mail address is proven already"


class TooManyMailsError(_RefusalError):
    """As many mails as one account gets in an hour."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    detail = "too many mails were sent; try again in an hour"
    headers: Mapping[str, str] = {hdrs.RETRY_AFTER: "3600"}


class NoSuchUserError(_RefusalError):
    status = HTTPStatus.NOT_FOUND
    detail = "there is no such user"


class NoSuchKeyError(_RefusalError):
    """The user has no such key."""

    status = HTTPStatus.NOT_FOUND
    detail = "there is no such API key"


class NoSuchDeletionError(_RefusalError):
    status = HTTPStatus.NOT_FOUND
    detail = "there is no such deletion"


class LastAdminLeftError(_RefusalError):
    """No admin would be left who can act."""

    status = HTTPStatus.CONFLICT
    detail = "this is the last admin; make somebody else one first"


class BeingDeletedError(_RefusalError):
    """The account is being deleted."""

    status = HTTPStatus.CONFLICT
    detail = "the account is being deleted"


class NoSuchSessionError(_RefusalError):
    """The user has no such session, or it has ended."""

    status = HTTPStatus.NOT_FOUND
    detail = "there is no such session"


class NotYoursToGiveError(_RefusalError):
    """Somebody wants a key that could do more than they can."""

    status = HTTPStatus.FORBIDDEN
    detail = "a key has no role, scopes, channels or queues that its maker has not; an admin may give others"


class TooManyKeysError(_RefusalError):
    """The user has as many good keys as there can be."""

    status = HTTPStatus.CONFLICT
    detail = "the user has as many API keys as can be; revoke some that are not used"


class EmailInUseError(_RefusalError):
    """Another user has this e-mail address."""

    status = HTTPStatus.CONFLICT
    detail = "another user has this e-mail address"


class TooManyLoginsError(RequestError):
    """The client address or the e-mail address has tried too often."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"too many attempts; try again in {retry_after_seconds} seconds",
            headers={hdrs.RETRY_AFTER: str(retry_after_seconds)},
        )


class BusyError(_RefusalError):
    """Too many passwords wait to be checked."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    detail = "too many passwords are being checked; try again"
    headers: Mapping[str, str] = {hdrs.RETRY_AFTER: "1"}


class NoSecretKeysError(_RefusalError):
    """The operator has set no key that secrets could be encrypted with."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    detail = "no secret can be kept here: the operator has yet to set SECRET_KEYS"
