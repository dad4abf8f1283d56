"""The own account: what it is, changing it, and the secret that signs its webhooks."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.accounts.routes import NOT_KEPT, shown
from api.accounts.schemas import ProfileChange, SecretAnswer, UserAnswer
from api.audit.record import audit
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.peer import client_address
from api.http.problems import RequestError
from api.http.resources import ACCOUNTS
from api.openapi import examples, failures, request_examples, tags
from api.openapi.operation import Access, Answer, Body, Operations, operation
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action

_decoder: Final = msgspec.json.Decoder(ProfileChange)
NO_ACCOUNT: Final = "the operator has no account; log in to one"

_own: Final = Operations(
    tag=tags.ACCOUNTS, access=Access.MEMBERS, scope=Scope.ADMIN, whole=True, errors={HTTPStatus.NOT_FOUND: NO_ACCOUNT}
)


@operation(
    tags.ACCOUNTS,
    access=Access.MEMBERS,
    scope=Scope.READ,
    answers=Answer("The account.", UserAnswer, examples.USER),
    errors={HTTPStatus.NOT_FOUND: NO_ACCOUNT},
)
async def get(request: web.Request) -> web.Response:
    """Shows the own account."""
    return answer(shown(request, await request.app[ACCOUNTS].users.get(own_id(request))))


@_own(
    body=Body(_decoder, request_examples.PROFILES, max_bytes=SMALL_BODY),
    answers=Answer("The account as it is now.", UserAnswer, examples.USER),
    errors=failures.NEW_ACCOUNT,
)
async def change(request: web.Request) -> web.Response:
    """Changes the own e-mail address, password or SMTP account.

    A new password makes every bearer token void.
    """
    user_id, wanted = own_id(request), await read(request, _decoder)
    user = await request.app[ACCOUNTS].users.change(user_id, wanted, address=str(client_address(request)))
    await audit(request, Action.USER_CHANGE, user_id, detail={"changed": changed_fields(wanted)})
    return answer(shown(request, user))


@_own(
    answers=Answer("The new secret.", SecretAnswer, examples.SECRET),
    errors={HTTPStatus.SERVICE_UNAVAILABLE: failures.NO_SECRET_KEYS},
)
async def rotate_webhook_secret(request: web.Request) -> web.Response:
    """Makes a new secret that signs webhooks.

    It is shown this once; the one before signs too for a day.
    """
    made = await request.app[ACCOUNTS].users.rotate_webhook_secret(own_id(request))
    await audit(request, Action.USER_ROTATE_SECRET, own_id(request))
    return answer(SecretAnswer(secret=made.secret, previous_until=made.previous_until), headers=NOT_KEPT)


def changed_fields(wanted: ProfileChange) -> list[str]:
    """What was asked to be another; not what it is, which may be a secret."""
    return [name for name in ("email", "password", "smtp") if getattr(wanted, name) is not msgspec.UNSET]


def own_id(request: web.Request) -> UUID:
    """Whose account it is. Raises RequestError for the operator."""
    user_id = principal(request).user_id
    if user_id is None:
        raise RequestError(HTTPStatus.NOT_FOUND, NO_ACCOUNT)
    return user_id
