"""Users, as an admin sees them: list, make, look up, and what they may do."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import hdrs, web

from api.accounts.errors import BeingDeletedError, LastAdminLeftError, NoSuchUserError
from api.accounts.routes import made, shown
from api.accounts.schemas import NewUser, UserAnswer, UserChange, UserList
from api.audit.record import audit, together
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.resources import ACCOUNTS
from api.messages.listing import cut, parse_position
from api.openapi import examples, failures, parameters, request_examples, tags
from api.openapi.operation import Access, Answer, Body, Operations, operation
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.ids import parse_id

_new_decoder: Final = msgspec.json.Decoder(NewUser)
_change_decoder: Final = msgspec.json.Decoder(UserChange)

OF_USER: Final = Operations(
    tag=tags.USERS,
    access=Access.ADMINS,
    scope=Scope.ADMIN,
    whole=True,
    parameters=(parameters.USER_ID,),
    errors={HTTPStatus.NOT_FOUND: NoSuchUserError.detail},
)


@operation(
    tags.USERS,
    access=Access.ADMINS,
    scope=Scope.ADMIN,
    whole=True,
    parameters=parameters.PAGE,
    answers=Answer("A page.", UserList, examples.USERS),
)
async def list_page(request: web.Request) -> web.Response:
    """Lists users, oldest first."""
    after, limit = parse_position(request.query)
    found = await request.app[ACCOUNTS].users.page(after=after, limit=limit + 1)
    page, next_cursor = cut(found, limit, lambda user: user.id)
    return answer(UserList(users=[shown(request, user) for user in page], next_cursor=next_cursor))


@operation(
    tags.USERS,
    access=Access.ADMINS,
    scope=Scope.ADMIN,
    whole=True,
    body=Body(_new_decoder, request_examples.USERS, max_bytes=SMALL_BODY),
    answers=made("The path of the user."),
    errors={**failures.TAKEN, HTTPStatus.SERVICE_UNAVAILABLE: failures.NO_SECRET_KEYS},
)
async def create(request: web.Request) -> web.Response:
    """Makes an account, whether registration is open or not."""
    user = await request.app[ACCOUNTS].users.create(await read(request, _new_decoder))
    await audit(
        request, Action.USER_CREATE, user.id, owner=user.id, detail={"role": user.role, "channels": user.channels}
    )
    return answer(shown(request, user), status=HTTPStatus.CREATED, headers={hdrs.LOCATION: f"/api/v1/users/{user.id}"})


@OF_USER(answers=Answer("The user.", UserAnswer, examples.USER))
async def get(request: web.Request) -> web.Response:
    """Shows one user."""
    return answer(shown(request, await request.app[ACCOUNTS].users.get(named_id(request))))


@OF_USER(
    body=Body(_change_decoder, request_examples.USER_CHANGES),
    answers=Answer("The user as it is now.", UserAnswer, examples.USER),
    errors={HTTPStatus.CONFLICT: LastAdminLeftError.detail},
)
async def change(request: web.Request) -> web.Response:
    """Changes a user's role, channels, rights, or whom their e-mail may be from."""
    user_id, wanted = named_id(request), await read(request, _change_decoder)
    user = await request.app[ACCOUNTS].users.allow(user_id, wanted)
    detail = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not msgspec.UNSET}
    await audit(request, Action.USER_CHANGE, user_id, owner=user_id, detail=detail)
    return answer(shown(request, user))


@OF_USER(
    answers=Answer("The user as it is now.", UserAnswer, examples.DISABLED_USER),
    errors={HTTPStatus.CONFLICT: LastAdminLeftError.detail},
)
async def disable(request: web.Request) -> web.Response:
    """Disables a user.

    Tokens, keys and sessions stop at once, and what waits is not sent. Keys and messages go on when the user is
    enabled again.
    """
    user_id = named_id(request)
    async with together(request):
        user = await request.app[ACCOUNTS].users.disable(user_id)
        await audit(request, Action.USER_DISABLE, user_id, owner=user_id)
    return answer(shown(request, user))


@OF_USER(
    answers=Answer("The user as it is now.", UserAnswer, examples.USER),
    errors={HTTPStatus.CONFLICT: BeingDeletedError.detail},
)
async def enable(request: web.Request) -> web.Response:
    """Enables a user who was disabled."""
    user_id = named_id(request)
    async with together(request):
        user = await request.app[ACCOUNTS].users.enable(user_id)
        await audit(request, Action.USER_ENABLE, user_id, owner=user_id)
    return answer(shown(request, user))


def named_id(request: web.Request) -> UUID:
    """The id in the path. Raises NoSuchUserError for a text that is none."""
    user_id = parse_id(request.match_info["id"])
    if user_id is None:
        raise NoSuchUserError
    return user_id
