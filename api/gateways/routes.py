"""SMS gateways that are rows, own and shared."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from api.audit.record import audit, together
from api.gateways.errors import NO_SUCH_GATEWAY, TAKEN
from api.gateways.gateways import Gateways
from api.gateways.schemas import (
    GatewayAnswer,
    GatewayChanges,
    GatewayList,
    GatewayRequest,
    PresetAnswer,
    PresetList,
)
from api.http.auth import principal
from api.http.body import answer, read
from api.http.resources import GATEWAYS, SETTINGS, STORE
from api.openapi import failures, gateway_examples, parameters, request_examples, tags
from api.openapi.operation import Access, Answer, Body, Operations
from tidings.channels.sms.preset import presets as known_presets
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.gateway import Gateway
from tidings.domain.ids import parse_id

_decoder: Final = msgspec.json.Decoder(GatewayRequest)
_changes_decoder: Final = msgspec.json.Decoder(GatewayChanges)
_any_decoder: Final = msgspec.json.Decoder(dict[str, Any])

_all: Final = Operations(tag=tags.GATEWAYS, access=Access.MEMBERS, scope=Scope.ADMIN, whole=True)
_one: Final = Operations(
    tag=tags.GATEWAYS,
    access=Access.MEMBERS,
    scope=Scope.ADMIN,
    whole=True,
    parameters=(parameters.GATEWAY_ID,),
    errors={HTTPStatus.NOT_FOUND: NO_SUCH_GATEWAY},
)
_KEPT: Final = Answer("The gateway as it is now.", GatewayAnswer, gateway_examples.GATEWAY)
_UNFIT: Final = {HTTPStatus.UNPROCESSABLE_ENTITY: "auth_token must be text"}
_SECRETS: Final = {HTTPStatus.SERVICE_UNAVAILABLE: failures.NO_SECRET_KEYS}


@_all(answers=Answer("The gateways.", GatewayList, gateway_examples.GATEWAYS))
async def list_own(request: web.Request) -> web.Response:
    """Lists the own gateways, for admins those of the operator too.

    Those of `SMS_GATEWAYS` and `WEBHOOK_URL` are no rows, and not among them.
    """
    return answer(GatewayList(gateways=await _gateways(request).list(principal(request))))


@_all(
    body=Body(_decoder, request_examples.GATEWAYS),
    answers={
        HTTPStatus.CREATED: Answer(
            "It is made.", GatewayAnswer, gateway_examples.GATEWAY, headers={hdrs.LOCATION: "The path of the gateway."}
        )
    },
    errors={HTTPStatus.CONFLICT: TAKEN, **_SECRETS},
)
async def create(request: web.Request) -> web.Response:
    """Makes an SMS gateway: of a preset, or of what it says itself.

    Its credentials stand beside the other fields, under the names that the preset has, and are kept encrypted.
    """
    wanted, others = await read(request, _decoder), await _others(request, GatewayRequest)
    async with together(request):
        kept = await _gateways(request).make(principal(request), wanted, others)
        await _audit(request, Action.GATEWAY_CREATE, kept)
    headers: dict[str, str] = {hdrs.LOCATION: f"/api/v1/gateways/{kept.id}"}
    return answer(_gateways(request).shown(kept), status=HTTPStatus.CREATED, headers=headers)


@_all(answers=Answer("The presets.", PresetList, gateway_examples.PRESETS))
async def presets(_: web.Request) -> web.Response:
    """Lists the presets, with what a gateway of each has to say."""
    found = [
        PresetAnswer(
            name=name,
            title=preset.title,
            docs=preset.docs,
            base_url=preset.base_url,
            credentials=preset.credentials,
            optional=preset.optional,
            needs_from=preset.needs_from,
        )
        for name, preset in known_presets().items()
    ]
    return answer(PresetList(presets=found))


@_one(answers=Answer("The gateway.", GatewayAnswer, gateway_examples.GATEWAY))
async def get(request: web.Request) -> web.Response:
    """Shows a gateway."""
    return answer(_gateways(request).shown(await _find(request)))


@_one(body=Body(_changes_decoder, request_examples.GATEWAY_CHANGES), answers=_KEPT, errors={**_UNFIT, **_SECRETS})
async def change(request: web.Request) -> web.Response:
    """Changes a gateway; what is absent stays as it is.

    What held it is over, and messages that waited for it go.
    """
    wanted, others = await read(request, _changes_decoder), await _others(request, GatewayChanges)
    found = await _find(request)
    async with together(request):
        kept = await _gateways(request).change(found, wanted, others)
        await _audit(request, Action.GATEWAY_CHANGE, kept)
    return answer(_gateways(request).shown(kept))


@_one(answers=Answer("The gateway that is deleted.", GatewayAnswer, gateway_examples.GATEWAY))
async def delete(request: web.Request) -> web.Response:
    """Deletes a gateway.

    Messages go by others; those that it may have taken without an answer wait for one of that name.
    """
    found = await _find(request)
    async with together(request):
        await _gateways(request).delete(found)
        await _audit(request, Action.GATEWAY_DELETE, found)
    return answer(_gateways(request).shown(found))


async def _find(request: web.Request) -> Gateway:
    return await _gateways(request).find(principal(request), parse_id(request.match_info["gateway_id"]))


async def _others(request: web.Request, known: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields of a request beside those that are known."""
    fields = await read(request, _any_decoder)
    return {name: value for name, value in fields.items() if name not in known.__struct_encode_fields__}


async def _audit(request: web.Request, action: Action, gateway: Gateway) -> None:
    detail = {"name": gateway.name, "preset": gateway.preset or ""}
    await audit(request, action, gateway.id, owner=gateway.user_id, detail=detail)


def _gateways(request: web.Request) -> Gateways:
    return Gateways(request.app[STORE].gateways, request.app[GATEWAYS], request.app[SETTINGS])
