"""Webhook endpoints: made, changed, tried out, disabled and enabled. Users have their own; admins see all."""

import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from aiohttp import hdrs, web

from api.audit.record import audit, together
from api.endpoints import examples
from api.endpoints.endpoints import Endpoints
from api.endpoints.schemas import (
    MAX_BODY,
    MAX_CUSTOMER,
    Deleted,
    Enabled,
    EndpointAnswer,
    EndpointChange,
    EndpointDetail,
    EndpointList,
    EndpointRequest,
    EndpointSecret,
    SecretRequest,
    TrafficAnswer,
)
from api.events.posting import NO_WEBHOOKS, require_webhooks
from api.http.auth import principal
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.problems import RequestError
from api.http.resources import ENDPOINTS, STORE
from api.messages.listing import DEFAULT_LIMIT, PAGE_PARSERS, cut, parse_text, up_to, values_of
from api.openapi import failures, parameters, tags
from api.openapi.operation import Access, Answer, Body, Operations, operation
from sql.endpoints import AT_ONCE, EndpointStore
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.endpoint import MAX_ENDPOINTS, Endpoint
from tidings.domain.ids import parse_id

NO_ENDPOINT: Final = "there is no such endpoint"
TOO_MANY: Final = f"there are {MAX_ENDPOINTS} endpoints already, which is as many as one user may have"
_PATIENCE_SECONDS: Final = 5.0
"""How long a request wakes or cancels messages; those that are left come by themselves."""


def _customer(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return parse_text(text)


_PARSERS: Final = {"customer": up_to(MAX_CUSTOMER, _customer), **PAGE_PARSERS}

_decoder: Final = msgspec.json.Decoder(EndpointRequest)
_change_decoder: Final = msgspec.json.Decoder(EndpointChange)
_secret_decoder: Final = msgspec.json.Decoder(SecretRequest)

of_endpoint: Final = Operations(
    tag=tags.ENDPOINTS,
    access=Access.MEMBERS,
    scope=Scope.MANAGE,
    parameters=(examples.ENDPOINT_PARAMETER,),
    errors={HTTPStatus.NOT_FOUND: NO_ENDPOINT, HTTPStatus.FORBIDDEN: NO_WEBHOOKS},
)
"""Declares a handler for one endpoint that the path names."""
_SECRETS: Final = {HTTPStatus.SERVICE_UNAVAILABLE: failures.NO_SECRET_KEYS}


@operation(
    tags.ENDPOINTS,
    access=Access.MEMBERS,
    scope=Scope.MANAGE,
    body=Body(_decoder, examples.REQUESTS, max_bytes=MAX_BODY),
    answers={
        HTTPStatus.CREATED: Answer(
            "It is made.", EndpointSecret, examples.SECRET, headers={hdrs.LOCATION: "The path of the endpoint."}
        )
    },
    errors={HTTPStatus.FORBIDDEN: NO_WEBHOOKS, HTTPStatus.CONFLICT: TOO_MANY, **_SECRETS},
)
async def create(request: web.Request) -> web.Response:
    """Makes an endpoint, and shows its signing secret, this once."""
    require_webhooks(request)
    wanted = await read(request, _decoder)
    endpoint, secret = _endpoints(request).make(wanted, principal(request).user_id)
    async with together(request):
        kept = await _store(request).create(endpoint)
        if kept is None:
            raise RequestError(HTTPStatus.CONFLICT, TOO_MANY)
        await _audit(request, Action.ENDPOINT_CREATE, kept)
    headers: dict[str, str] = {hdrs.LOCATION: f"/api/v1/endpoints/{kept.id}"}
    shown = EndpointSecret(**_endpoints(request).shown(kept), secret=secret)
    return answer(shown, status=HTTPStatus.CREATED, headers=headers)


@operation(
    tags.ENDPOINTS,
    access=Access.MEMBERS,
    scope=Scope.READ,
    parameters=(examples.CUSTOMER_PARAMETER, *parameters.PAGE),
    answers=Answer("A page.", EndpointList, examples.ENDPOINTS),
    errors={HTTPStatus.FORBIDDEN: NO_WEBHOOKS},
)
async def list_page(request: web.Request) -> web.Response:
    """Lists endpoints, the newest first.

    Users see their own, admins all.
    """
    require_webhooks(request)
    values, who = values_of(request.query, _PARSERS), principal(request)
    limit: int = values.pop("limit", DEFAULT_LIMIT)
    before: UUID | None = values.pop("cursor", None)
    found = await _store(request).list(who.user_id, of_all=who.is_admin, before=before, limit=limit + 1, **values)
    shown, next_cursor = cut(found, limit, lambda endpoint: endpoint.id)
    return answer(EndpointList(endpoints=[show(request, each) for each in shown], next_cursor=next_cursor))


@of_endpoint(scope=Scope.READ, answers=Answer("The endpoint.", EndpointDetail, examples.DETAIL))
async def get(request: web.Request) -> web.Response:
    """Shows an endpoint, and what becomes of its messages."""
    endpoint = await find(request)
    traffic = await _store(request).traffic(endpoint.id)
    shown = TrafficAnswer(**msgspec.structs.asdict(traffic), success_rate=traffic.success_rate)
    return answer(EndpointDetail(**_endpoints(request).shown(endpoint), traffic=shown))


@of_endpoint(
    body=Body(_change_decoder, examples.CHANGES, max_bytes=MAX_BODY),
    answers=Answer("The endpoint as it is now.", EndpointAnswer, examples.ENDPOINT),
    errors=_SECRETS,
)
async def change(request: web.Request) -> web.Response:
    """Changes an endpoint.

    What waits goes by what the endpoint is then: to its new URL, with its new headers, at its new pace.
    """
    wanted = await read(request, _change_decoder)
    async with together(request):
        endpoint = await find(request, _store(request).lock)
        kept = await _store(request).change(_endpoints(request).change(endpoint, wanted))
        changed = [name for name in wanted.__struct_fields__ if getattr(wanted, name) is not msgspec.UNSET]
        await _audit(request, Action.ENDPOINT_CHANGE, endpoint, changed=changed)
    return answer(show(request, _there(kept)))


@of_endpoint(
    scope=Scope.ADMIN,
    whole=True,
    body=Body(_secret_decoder, examples.SECRETS, max_bytes=SMALL_BODY),
    answers=Answer("The new secret.", EndpointSecret, examples.SECRET),
    errors=_SECRETS,
)
async def rotate_secret(request: web.Request) -> web.Response:
    """Signs with another secret, and shows it, this once.

    For 24 hours the secret before signs too: `webhook-signature` holds both signatures.
    """
    endpoint, wanted = await find(request), await read(request, _secret_decoder)
    endpoints = _endpoints(request)
    secret = endpoints.new_secret(wanted.secret)
    async with together(request):
        kept = _there(
            await _store(request).rotate(endpoint.id, endpoints.seal(secret, endpoint.id), until=endpoints.until())
        )
        await _audit(request, Action.ENDPOINT_ROTATE_SECRET, kept)
    return answer(EndpointSecret(**endpoints.shown(kept), secret=secret))


@of_endpoint(answers=Answer("It is disabled.", EndpointAnswer, examples.DISABLED))
async def disable(request: web.Request) -> web.Response:
    """Disables an endpoint: what waits is held, and new events pass it by."""
    endpoint = await find(request)
    async with together(request):
        kept = _there(await _store(request).disable(endpoint.id))
        await _audit(request, Action.ENDPOINT_DISABLE, kept)
    return answer(show(request, kept))


@of_endpoint(answers=Answer("It is on.", Enabled, examples.ENABLED))
async def enable(request: web.Request) -> web.Response:
    """Enables an endpoint: what was held goes.

    The events that passed it by meanwhile go with `recover`.
    """
    endpoint = await find(request)
    async with together(request):
        kept = _there(await _store(request).enable(endpoint.id))
        await _audit(request, Action.ENDPOINT_ENABLE, kept)
    messages = await _by_parts(_store(request).wake, kept.id)
    return answer(Enabled(**_endpoints(request).shown(kept), messages=messages))


@of_endpoint(answers=Answer("It is deleted.", Deleted, examples.DELETED))
async def delete(request: web.Request) -> web.Response:
    """Deletes an endpoint; what waits for it is cancelled."""
    endpoint = await find(request)
    async with together(request):
        deleted = _there(await _store(request).delete(endpoint.id))
        await _audit(request, Action.ENDPOINT_DELETE, deleted)
    cancelled = await _by_parts(_store(request).cancel_waiting, deleted.id)
    return answer(Deleted(endpoint=show(request, deleted), cancelled=cancelled))


async def find(request: web.Request, ask: Callable[[UUID], Awaitable[Endpoint | None]] | None = None) -> Endpoint:
    """The endpoint that the path names. Raises RequestError where there is none to show."""
    require_webhooks(request)
    endpoint_id = parse_id(request.match_info["endpoint_id"])
    endpoint = None if endpoint_id is None else await (ask or _store(request).get)(endpoint_id)
    if endpoint is None or not principal(request).may_see(endpoint.user_id):
        raise RequestError(HTTPStatus.NOT_FOUND, NO_ENDPOINT)
    return endpoint


def show(request: web.Request, endpoint: Endpoint) -> EndpointAnswer:
    return EndpointAnswer(**_endpoints(request).shown(endpoint))


async def _by_parts(change: Callable[[UUID], Awaitable[int]], endpoint_id: UUID) -> int:
    """Repeats a change of up to `AT_ONCE` messages for some seconds; returns how many it changed."""
    until = time.monotonic() + _PATIENCE_SECONDS
    count = changed = await change(endpoint_id)
    while changed == AT_ONCE and time.monotonic() < until:
        changed = await change(endpoint_id)
        count += changed
    return count


def _there(endpoint: Endpoint | None) -> Endpoint:
    """Raises RequestError where it was deleted meanwhile."""
    if endpoint is None:
        raise RequestError(HTTPStatus.NOT_FOUND, NO_ENDPOINT)
    return endpoint


async def _audit(request: web.Request, action: Action, endpoint: Endpoint, **detail: object) -> None:
    await audit(request, action, endpoint.id, owner=endpoint.user_id, detail={"customer": endpoint.customer, **detail})


def _endpoints(request: web.Request) -> Endpoints:
    return request.app[ENDPOINTS]


def _store(request: web.Request) -> EndpointStore:
    return request.app[STORE].endpoints
