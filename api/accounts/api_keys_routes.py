"""API keys, with which programs act for a user: everybody's own, and for an admin those of any user."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.accounts import me_routes as me
from api.accounts import users_routes as users
from api.accounts.errors import NoSuchKeyError, NoSuchUserError
from api.accounts.routes import NOT_KEPT
from api.accounts.schemas import KeyAnswer, KeyList, KeyRequest, NewKeyAnswer
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.problems import RequestError
from api.http.resources import ACCOUNTS
from api.openapi import examples, parameters, request_examples, tags
from api.openapi.operation import Access, Answer, Body, Operations, operation
from tidings.domain.ids import parse_id

_decoder: Final = msgspec.json.Decoder(KeyRequest)
_NO_KEY: Final = NoSuchKeyError.detail
_NOT_YOURS_TO_GIVE: Final = "channels are for an admin to give to a key"

_KEYS: Final = Answer("The keys.", KeyList, examples.KEYS)
_NEW_KEY: Final = {HTTPStatus.CREATED: Answer("The key, shown this once.", NewKeyAnswer, examples.NEW_KEY)}
_REVOKED: Final = Answer("It is void.", KeyAnswer, examples.REVOKED_KEY)

_own: Final = Operations(tag=tags.API_KEYS, access=Access.MEMBERS, errors={HTTPStatus.NOT_FOUND: me.NO_ACCOUNT})
_of_user: Final = Operations(
    tag=tags.API_KEYS,
    access=Access.ADMINS,
    parameters=(parameters.USER_ID,),
    errors={HTTPStatus.NOT_FOUND: NoSuchUserError.detail},
)


@_own(answers=_KEYS)
async def list_own(request: web.Request) -> web.Response:
    """Lists one's own keys, oldest first, revoked ones too."""
    return await _list(request, me.own_id(request))


@_own(
    body=Body(_decoder, request_examples.KEYS, max_bytes=SMALL_BODY),
    answers=_NEW_KEY,
    errors={HTTPStatus.FORBIDDEN: _NOT_YOURS_TO_GIVE},
)
async def create_own(request: web.Request) -> web.Response:
    """Makes a key of one's own.

    Its text is shown this once. Only an admin may give it channels.
    """
    return await _create(request, me.own_id(request))


@operation(
    tags.API_KEYS,
    access=Access.MEMBERS,
    parameters=(parameters.KEY_ID,),
    answers=_REVOKED,
    errors={HTTPStatus.NOT_FOUND: _NO_KEY},
)
async def revoke_own(request: web.Request) -> web.Response:
    """Revokes one of one's own keys."""
    return await _revoke(request, me.own_id(request))


@_of_user(answers=_KEYS)
async def list_of_user(request: web.Request) -> web.Response:
    """Lists a user's keys, oldest first, revoked ones too."""
    return await _list(request, await _user(request))


@_of_user(body=Body(_decoder, request_examples.KEYS_WITH_CHANNELS, max_bytes=SMALL_BODY), answers=_NEW_KEY)
async def create_for_user(request: web.Request) -> web.Response:
    """Makes a key for a user.

    Its text is shown this once; its channels may be more than the user has.
    """
    return await _create(request, await _user(request))


@operation(
    tags.API_KEYS,
    access=Access.ADMINS,
    parameters=(parameters.USER_ID, parameters.KEY_ID),
    answers=_REVOKED,
    errors={HTTPStatus.NOT_FOUND: _NO_KEY},
)
async def revoke_of_user(request: web.Request) -> web.Response:
    """Revokes one of a user's keys."""
    return await _revoke(request, await _user(request))


async def _list(request: web.Request, owner: UUID) -> web.Response:
    return answer(KeyList(api_keys=[KeyAnswer.of(key) for key in await request.app[ACCOUNTS].api_keys.list(owner)]))


async def _create(request: web.Request, owner: UUID) -> web.Response:
    wanted = await read(request, _decoder)
    if wanted.channels is not None and not principal(request).is_admin:
        raise RequestError(HTTPStatus.FORBIDDEN, _NOT_YOURS_TO_GIVE)
    key, text = await request.app[ACCOUNTS].api_keys.create(owner, name=wanted.name, channels=wanted.channels)
    made = NewKeyAnswer(id=key.id, name=key.name, key=text, channels=key.channels, created_at=key.created_at)
    return answer(made, status=HTTPStatus.CREATED, headers=NOT_KEPT)


async def _revoke(request: web.Request, owner: UUID) -> web.Response:
    key_id = parse_id(request.match_info["key_id"])
    if key_id is None:
        raise NoSuchKeyError
    return answer(KeyAnswer.of(await request.app[ACCOUNTS].api_keys.revoke(owner, key_id)))


async def _user(request: web.Request) -> UUID:
    """An existing user's id. Raises NoSuchUserError."""
    return (await request.app[ACCOUNTS].users.get(users.named_id(request))).id
