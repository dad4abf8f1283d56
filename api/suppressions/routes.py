"""Suppressions: read, added by hand, lifted. Users have a list each; admins see all."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import UNSET

from api.audit.record import audit, together
from api.http.auth import LIMITED_KEY, principal, require_reach
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.problems import Fault, InvalidError, RequestError
from api.http.resources import STORE
from api.messages.listing import DEFAULT_LIMIT, PAGE_PARSERS, cut, parse_text, up_to, values_of
from api.openapi import examples, parameters, request_examples, tags
from api.openapi.operation import Access, Answer, Body, operation
from api.suppressions.door import MAIL
from api.suppressions.schemas import SuppressionList, SuppressionRequest
from tidings.channels.email.addresses import MAX_ADDRESS, check_address
from tidings.channels.recipient import RecipientError
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.ids import parse_id
from tidings.domain.suppression import Suppression, SuppressionReason, same_address

_decoder: Final = msgspec.json.Decoder(SuppressionRequest)
_NO_SUPPRESSION: Final = "there is no such suppression"
_NOT_YOURS: Final = "the list of somebody else is for an admin to change"
_NO_USER: Final = "there is no such user"


@operation(
    tags.SUPPRESSIONS,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=(*parameters.SUPPRESSION_FILTER, *parameters.PAGE),
    answers=Answer("A page.", SuppressionList, examples.SUPPRESSIONS),
)
async def list_page(request: web.Request) -> web.Response:
    """Lists addresses that take no more mail, the newest first.

    Users see their own, admins all.
    """
    values, who = values_of(request.query, _PARSERS), principal(request)
    limit = values.pop("limit", DEFAULT_LIMIT)
    before: UUID | None = values.pop("cursor", None)
    if who.reach.channels is not None and MAIL not in who.reach.channels:
        return answer(SuppressionList(suppressions=[], next_cursor=None))
    found = await request.app[STORE].suppressions.list(who.reach.user_id, before=before, limit=limit + 1, **values)
    shown, next_cursor = cut(found, limit, lambda suppression: suppression.id)
    return answer(SuppressionList(suppressions=shown, next_cursor=next_cursor))


@operation(
    tags.SUPPRESSIONS,
    access=Access.MEMBERS,
    scope=Scope.MANAGE,
    body=Body(_decoder, request_examples.SUPPRESSIONS, max_bytes=SMALL_BODY),
    answers={
        HTTPStatus.OK: Answer("It is there already.", Suppression, examples.SUPPRESSION),
        HTTPStatus.CREATED: Answer("It takes no more mail.", Suppression, examples.SUPPRESSION),
    },
    errors={HTTPStatus.FORBIDDEN: _NOT_YOURS, HTTPStatus.NOT_FOUND: _NO_USER},
)
async def add(request: web.Request) -> web.Response:
    """Puts an address on the list: it takes no more mail.

    What waits for it is cancelled. One that is there already stays as it is.
    """
    require_reach(request, channel=MAIL)
    wanted, who, store = await read(request, _decoder), principal(request), request.app[STORE]
    try:
        address = same_address(check_address(wanted.address.strip()))
    except RecipientError as error:
        raise InvalidError([Fault(field="address", detail=str(error))]) from None
    if wanted.detail is not None and "\0" in wanted.detail:
        raise InvalidError([Fault(field="detail", detail="must not contain the character U+0000")])
    user_id = who.user_id if wanted.user_id is UNSET else wanted.user_id
    if user_id != who.user_id:
        if not who.is_admin:
            raise RequestError(HTTPStatus.FORBIDDEN, _NOT_YOURS)
        if user_id is not None and await store.users.get(user_id) is None:
            raise RequestError(HTTPStatus.NOT_FOUND, _NO_USER)
    new = await store.suppressions.put(user_id, {address: wanted.detail}, SuppressionReason.MANUAL)
    found = (await store.suppressions.among(user_id, [address])).get(address)
    if found is None:
        raise RequestError(HTTPStatus.NOT_FOUND, _NO_SUPPRESSION)  # lifted in this very moment
    if new:
        detail = {"address": found.address}
        await audit(request, Action.SUPPRESSION_ADD, found.id, owner=found.user_id, detail=detail)
    return answer(found, status=HTTPStatus.CREATED if new else HTTPStatus.OK)


@operation(
    tags.SUPPRESSIONS,
    access=Access.MEMBERS,
    scope=Scope.MANAGE,
    parameters=(parameters.SUPPRESSION_ID,),
    answers=Answer("It is lifted.", Suppression, examples.SUPPRESSION),
    errors={HTTPStatus.FORBIDDEN: LIMITED_KEY, HTTPStatus.NOT_FOUND: _NO_SUPPRESSION},
)
async def lift(request: web.Request) -> web.Response:
    """Takes an address off the list: it takes mail again.

    What was cancelled stays so, until somebody retries it. Users lift their own, admins all.
    """
    require_reach(request, channel=MAIL)
    suppression_id = parse_id(request.match_info["suppression_id"])
    who, store = principal(request), request.app[STORE]
    async with together(request):
        lifted = None if suppression_id is None else await store.suppressions.lift(suppression_id, who.reach.user_id)
        if lifted is None:
            raise RequestError(HTTPStatus.NOT_FOUND, _NO_SUPPRESSION)
        detail = {"address": lifted.address, "reason": lifted.reason}
        await audit(request, Action.SUPPRESSION_LIFT, lifted.id, owner=lifted.user_id, detail=detail)
    return answer(lifted)


def _address(text: str) -> str:
    try:
        return same_address(check_address(parse_text(text).strip()))
    except RecipientError as error:
        raise ValueError(str(error)) from None


def _reason(text: str) -> SuppressionReason:
    try:
        return SuppressionReason(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(SuppressionReason)}") from None


_PARSERS: Final = {"address": up_to(MAX_ADDRESS, _address), "reason": _reason, **PAGE_PARSERS}
