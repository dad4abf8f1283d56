"""Quotas: one's own, and for admins those of users."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.accounts.errors import NoSuchUserError
from api.accounts.me_routes import NO_ACCOUNT, own_id
from api.accounts.users_routes import OF_USER, named_id
from api.audit.record import audit, together
from api.http.body import answer, read
from api.http.resources import ACCOUNTS, QUOTAS
from api.openapi import examples, request_examples, tags
from api.openapi.operation import Access, Answer, Body, operation
from api.quotas.schemas import QuotaAnswer
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.quota import QuotaChange

_decoder: Final = msgspec.json.Decoder(QuotaChange)


@operation(
    tags.ACCOUNTS,
    access=Access.MEMBERS,
    scope=Scope.READ,
    answers=Answer("The quota.", QuotaAnswer, examples.QUOTA),
    errors={HTTPStatus.NOT_FOUND: NO_ACCOUNT},
)
async def get_own(request: web.Request) -> web.Response:
    """Shows the own quota, and what is used of it."""
    return await _shown(request, own_id(request))


@OF_USER(answers=Answer("The quota.", QuotaAnswer, examples.QUOTA))
async def get(request: web.Request) -> web.Response:
    """Shows the quota of a user, and what is used of it."""
    return await _shown(request, named_id(request))


@OF_USER(
    body=Body(_decoder, request_examples.QUOTAS),
    answers=Answer("The quota as it is now.", QuotaAnswer, examples.QUOTA),
)
async def put(request: web.Request) -> web.Response:
    """Gives a user limits of their own.

    What is left out or null is as the settings have it, for an admin without a limit.
    """
    user_id, wanted = named_id(request), await read(request, _decoder)
    quotas = request.app[QUOTAS]
    async with together(request):
        if not await quotas.give(user_id, wanted):
            raise NoSuchUserError
        await audit(
            request, Action.USER_CHANGE, user_id, owner=user_id, detail={"quota": msgspec.structs.asdict(wanted)}
        )
    quotas.forget(user_id)
    return await _shown(request, user_id)


async def _shown(request: web.Request, user_id: UUID) -> web.Response:
    user = await request.app[ACCOUNTS].users.get(user_id)
    quotas = request.app[QUOTAS]
    quota = await quotas.of(user_id, user.role)
    return answer(QuotaAnswer.of(quota, await quotas.use(user_id, quota)))
