"""API keys, with which programs act for a user: everybody's own, and for an admin those of any user."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.accounts.api_keys import ApiKeys
from api.accounts.errors import NoSuchKeyError
from api.accounts.schemas import KeyAnswer, KeyList, KeyRequest, NewKeyAnswer
from api.auth import principal
from api.body import answer, read
from api.identifiers import parse_id
from api.problems import RequestError
from api.resources import ACCOUNTS
from api.routes import me, users
from api.routes.accounts import NOT_KEPT

_decoder: Final = msgspec.json.Decoder(KeyRequest)


async def list_own(request: web.Request) -> web.Response:
    """One's own keys, oldest first, revoked ones too."""
    return await _list(request, me.own_id(request))


async def create_own(request: web.Request) -> web.Response:
    """A new key of one's own, shown this once."""
    return await _create(request, me.own_id(request))


async def revoke_own(request: web.Request) -> web.Response:
    """Makes one of one's own keys void."""
    return await _revoke(request, me.own_id(request))


async def list_of_user(request: web.Request) -> web.Response:
    """A user's keys, oldest first, revoked ones too."""
    return await _list(request, await _user(request))


async def create_for_user(request: web.Request) -> web.Response:
    """A new key for a user, shown this once; its channels may be more than the user has."""
    return await _create(request, await _user(request))


async def revoke_of_user(request: web.Request) -> web.Response:
    """Makes one of a user's keys void."""
    return await _revoke(request, await _user(request))


async def _list(request: web.Request, owner: UUID) -> web.Response:
    return answer(KeyList(api_keys=[KeyAnswer.of(key) for key in await _keys(request).list(owner)]))


async def _create(request: web.Request, owner: UUID) -> web.Response:
    wanted = await read(request, _decoder)
    if wanted.channels is not None and not principal(request).is_admin:
        raise RequestError(HTTPStatus.FORBIDDEN, "channels are for an admin to give to a key")
    key, text = await _keys(request).create(owner, name=wanted.name, channels=wanted.channels)
    made = NewKeyAnswer(id=key.id, name=key.name, key=text, channels=key.channels, created_at=key.created_at)
    return answer(made, status=HTTPStatus.CREATED, headers=NOT_KEPT)


async def _revoke(request: web.Request, owner: UUID) -> web.Response:
    key_id = parse_id(request.match_info["key_id"])
    if key_id is None:
        raise NoSuchKeyError
    return answer(KeyAnswer.of(await _keys(request).revoke(owner, key_id)))


async def _user(request: web.Request) -> UUID:
    """An existing user's id. Raises NoSuchUserError, and RequestError for whoever is no admin."""
    return (await request.app[ACCOUNTS].users.get(users.named_id(request))).id


def _keys(request: web.Request) -> ApiKeys:
    return request.app[ACCOUNTS].api_keys
