"""API keys, with which programs act for a user: everybody's own, and for an admin those of any user."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.accounts import me_routes as me
from api.accounts import users_routes as users
from api.accounts.errors import NoSuchKeyError, NoSuchUserError, NotYoursToGiveError, TooManyKeysError
from api.accounts.routes import NOT_KEPT
from api.accounts.schemas import KeyAnswer, KeyList, KeyRequest, NewKeyAnswer
from api.audit.record import audit, together
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.resources import ACCOUNTS
from api.openapi import examples, parameters, request_examples, tags
from api.openapi.operation import Access, Answer, Body, Errors, Operations, operation
from tidings.domain.account import User
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.ids import parse_id

_decoder: Final = msgspec.json.Decoder(KeyRequest)
_NO_KEY: Final = NoSuchKeyError.detail
_MAKING: Final[Errors] = {
    HTTPStatus.FORBIDDEN: NotYoursToGiveError.detail,
    HTTPStatus.CONFLICT: TooManyKeysError.detail,
}

_LOGGED: Final = ("name", "role", "scopes", "channels", "queues", "expires_at")
_KEYS: Final = Answer("The keys.", KeyList, examples.KEYS)
_NEW_KEY: Final = {HTTPStatus.CREATED: Answer("The key, shown this once.", NewKeyAnswer, examples.NEW_KEY)}
_REVOKED: Final = Answer("It is void.", KeyAnswer, examples.REVOKED_KEY)

_own: Final = Operations(
    tag=tags.API_KEYS, access=Access.MEMBERS, scope=Scope.ADMIN, errors={HTTPStatus.NOT_FOUND: me.NO_ACCOUNT}
)
_of_user: Final = Operations(
    tag=tags.API_KEYS,
    access=Access.ADMINS,
    scope=Scope.ADMIN,
    parameters=(parameters.USER_ID,),
    errors={HTTPStatus.NOT_FOUND: NoSuchUserError.detail},
)


@_own(answers=_KEYS, whole=True)
async def list_own(request: web.Request) -> web.Response:
    """Lists one's own keys, oldest first, those too that have ended."""
    return await _list(request, me.own_id(request))


@_own(body=Body(_decoder, request_examples.KEYS, max_bytes=SMALL_BODY), answers=_NEW_KEY, errors=_MAKING)
async def create_own(request: web.Request) -> web.Response:
    """Makes a key of one's own.

    Its text is shown this once. It has at most the scopes, channels and queues of whoever asks; where that is a key, it
    ends with it.
    """
    return await _create(request, await request.app[ACCOUNTS].users.get(me.own_id(request)))


@operation(
    tags.API_KEYS,
    access=Access.MEMBERS,
    scope=Scope.ADMIN,
    whole=True,
    parameters=(parameters.KEY_ID,),
    answers=_REVOKED,
    errors={HTTPStatus.NOT_FOUND: _NO_KEY},
)
async def revoke_own(request: web.Request) -> web.Response:
    """Revokes one of one's own keys, and those that it made."""
    return await _revoke(request, me.own_id(request))


@_of_user(answers=_KEYS, whole=True)
async def list_of_user(request: web.Request) -> web.Response:
    """Lists a user's keys, oldest first, those too that have ended."""
    return await _list(request, (await _user(request)).id)


@_of_user(
    body=Body(_decoder, request_examples.KEYS_WITH_CHANNELS, max_bytes=SMALL_BODY), answers=_NEW_KEY, errors=_MAKING
)
async def create_for_user(request: web.Request) -> web.Response:
    """Makes a key for a user.

    Its text is shown this once; its channels may be more than the user has.
    """
    return await _create(request, await _user(request))


@operation(
    tags.API_KEYS,
    access=Access.ADMINS,
    scope=Scope.ADMIN,
    whole=True,
    parameters=(parameters.USER_ID, parameters.KEY_ID),
    answers=_REVOKED,
    errors={HTTPStatus.NOT_FOUND: _NO_KEY},
)
async def revoke_of_user(request: web.Request) -> web.Response:
    """Revokes one of a user's keys, and those that it made."""
    return await _revoke(request, (await _user(request)).id)


async def _list(request: web.Request, owner: UUID) -> web.Response:
    return answer(KeyList(api_keys=[KeyAnswer.of(key) for key in await request.app[ACCOUNTS].api_keys.list(owner)]))


async def _create(request: web.Request, owner: User) -> web.Response:
    wanted = await read(request, _decoder)
    async with together(request):
        key, text = await request.app[ACCOUNTS].api_keys.create(owner, wanted, principal(request))
        detail = msgspec.to_builtins(KeyAnswer.of(key))
        await audit(request, Action.KEY_CREATE, key.id, owner=owner.id, detail={name: detail[name] for name in _LOGGED})
    return answer(NewKeyAnswer.of(key, text), status=HTTPStatus.CREATED, headers=NOT_KEPT)


async def _revoke(request: web.Request, owner: UUID) -> web.Response:
    key_id = parse_id(request.match_info["key_id"])
    if key_id is None:
        raise NoSuchKeyError
    revoked = await request.app[ACCOUNTS].api_keys.revoke(owner, key_id)
    await audit(request, Action.KEY_REVOKE, key_id, owner=owner, detail={"name": revoked.name})
    return answer(KeyAnswer.of(revoked))


async def _user(request: web.Request) -> User:
    """An existing user. Raises NoSuchUserError."""
    return await request.app[ACCOUNTS].users.get(users.named_id(request))
