"""The errors that a route has without declaring them: they come with a credential, a body, or parameters."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import hdrs

from api.accounts.errors import BusyError, EmailInUseError, NoSecretKeysError, TooManyLoginsError
from api.http.auth import FOREIGN_PAGE, LIMITED_KEY, NO_CREDENTIAL, NO_SCOPE, NOT_ADMIN, SAFE_METHODS
from api.http.body import ANOTHER_TYPE, ENCODED, NOT_WHOLE, too_large
from api.http.problems import STORE_AWAY
from api.openapi.operation import MAX_BYTES, Access, Body, Errors, Operation, RawBody
from api.quotas.errors import EXAMPLE, EXAMPLE_OF_CHANGES

NOT_JSON: Final = "the body is not JSON: invalid character (byte 0)"
TOO_LARGE: Final = too_large(MAX_BYTES).detail
LIMIT: Final = "limit must be a whole number from 1 to 500"

NO_SECRET_KEYS: Final = NoSecretKeysError.detail

TAKEN: Final[Errors] = {HTTPStatus.CONFLICT: EmailInUseError.detail}
PASSWORD_CHECK: Final[Errors] = {
    HTTPStatus.TOO_MANY_REQUESTS: TooManyLoginsError(60).detail,
    HTTPStatus.SERVICE_UNAVAILABLE: BusyError.detail,
}
"""For routes that check or set a password."""
QUOTA: Final[Errors] = {HTTPStatus.TOO_MANY_REQUESTS: EXAMPLE}
"""For routes that accept messages of users."""
CHANGES: Final[Errors] = {HTTPStatus.TOO_MANY_REQUESTS: EXAMPLE_OF_CHANGES}
"""For routes by which users change anything else."""
NEW_ACCOUNT: Final[Errors] = {**TAKEN, **PASSWORD_CHECK}

HEADERS: Final[Mapping[HTTPStatus, Mapping[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {hdrs.WWW_AUTHENTICATE: "How to show who asks (RFC 9110, section 11.6.1)."},
    HTTPStatus.TOO_MANY_REQUESTS: {
        hdrs.RETRY_AFTER: "Seconds after which it is worth trying again.",
        "RateLimit-Policy": "Where a quota is used up: its limits (draft-ietf-httpapi-ratelimit-headers).",
        "RateLimit": "Where a quota is used up: what is left of each of its limits.",
    },
    HTTPStatus.SERVICE_UNAVAILABLE: {hdrs.RETRY_AFTER: "Seconds after which it is worth trying again."},
}
"""What comes with an error of a status."""


def is_change(operation: Operation, method: str) -> bool:
    """Whether it counts as one change of a user's; what accepts messages does not, since those are counted."""
    of_messages = operation.errors.get(HTTPStatus.TOO_MANY_REQUESTS) == EXAMPLE
    return method not in SAFE_METHODS and operation.access is not Access.EVERYBODY and not of_messages


def failures(operation: Operation, method: str) -> dict[HTTPStatus, list[str]]:
    """What is wrong, by status: those of its kind of request, and those that the operation declares."""
    details: dict[HTTPStatus, list[str]] = defaultdict(list)
    for status, detail in (*_of_its_kind(operation, method), *operation.errors.items()):
        details[status].append(detail)
    return {status: details[status] for status in sorted(details)}


def _of_its_kind(operation: Operation, method: str) -> Iterator[tuple[HTTPStatus, str]]:
    if operation.access is not Access.EVERYBODY:
        yield HTTPStatus.UNAUTHORIZED, NO_CREDENTIAL
        yield HTTPStatus.SERVICE_UNAVAILABLE, STORE_AWAY
        yield HTTPStatus.FORBIDDEN, NO_SCOPE.format(scope=operation.needs.scope)
    if is_change(operation, method):
        yield from CHANGES.items()
    if operation.needs.whole:
        yield HTTPStatus.FORBIDDEN, LIMITED_KEY
    if operation.access is Access.ADMINS:
        yield HTTPStatus.FORBIDDEN, NOT_ADMIN
    if method != hdrs.METH_GET:
        yield HTTPStatus.FORBIDDEN, FOREIGN_PAGE
    if isinstance(operation.body, RawBody):
        yield HTTPStatus.BAD_REQUEST, NOT_WHOLE
    elif operation.body is not None:
        yield HTTPStatus.BAD_REQUEST, NOT_JSON
        yield HTTPStatus.BAD_REQUEST, NOT_WHOLE
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(operation.body.max_bytes).detail
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ANOTHER_TYPE
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ENCODED
        yield from ((HTTPStatus.UNPROCESSABLE_ENTITY, detail) for detail in _unfit(operation.body))
    if any(parameter.name == "limit" for parameter in operation.parameters):
        yield HTTPStatus.UNPROCESSABLE_ENTITY, LIMIT


def _unfit(body: Body) -> Iterator[str]:
    """What is wrong with JSON that does not fit; nothing where the handler checks the body itself."""
    if body.type is not None:
        return
    struct = body.decoder.type
    required = [field.encode_name for field in msgspec.structs.fields(struct) if field.required]
    if required:
        yield f"{required[0]} is missing"
    if struct.__struct_config__.forbid_unknown_fields:
        yield "colour is unknown"
