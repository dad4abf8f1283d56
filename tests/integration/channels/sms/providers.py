"""Providers of SMS gateways, as their documents say that they answer; one small server is all of them.

Numbers that end in certain digits meet certain failures, in each provider's own words.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

GOOD, INVALID, NO_CREDIT, TOO_FAST = "+491700000000", "+491700000001", "+491700000002", "+491700000003"
"""What becomes of a message to each number."""

Handler = Callable[["Provider", web.Request], Awaitable[web.Response]]


class Provider:
    """Keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []

    @asynccontextmanager
    async def serving(self, handler: Handler) -> AsyncIterator["Provider"]:
        app = web.Application()

        async def handle(request: web.Request) -> web.Response:
            return await handler(self, request)

        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    async def form(self, request: web.Request) -> dict[str, Any]:
        assert request.content_type == "application/x-www-form-urlencoded"
        fields = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append(fields)
        return fields

    async def json(self, request: web.Request) -> dict[str, Any]:
        assert request.content_type == "application/json"
        fields: dict[str, Any] = json.loads(await request.read())
        self.requests.append(fields)
        return fields


def kind(number: str) -> str:
    """Which failure a number meets; empty: none."""
    return {INVALID[-1]: "invalid", NO_CREDIT[-1]: "credit", TOO_FAST[-1]: "fast"}.get(number[-1], "")


def basic(request: web.Request, user: str, password: str) -> bool:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return request.headers.get("Authorization") == f"Basic {pair}"


def reply(status: int, document: Any) -> web.Response:
    return web.json_response(document, status=status)


async def twilio(provider: Provider, request: web.Request) -> web.Response:
    if request.method != "POST" or request.path != "/2010-04-01/Accounts/AC1/Messages.json":
        return web.Response(status=404)
    if not basic(request, "AC1", "right"):
        return reply(401, {"code": 20003, "message": "Authenticate", "status": 401})
    fields = await provider.form(request)
    errors = {
        "invalid": (400, 21211, "The 'To' number is not a valid phone number."),
        "credit": (400, 30002, "Account suspended"),
        "fast": (429, 20429, "Too Many Requests"),
    }
    if found := errors.get(kind(fields["To"])):
        status, code, message = found
        return reply(status, {"code": code, "message": message, "status": status})
    return reply(201, {"sid": "SM1", "status": "queued", "error_code": None, "num_segments": "1", "to": fields["To"]})


async def vonage(provider: Provider, request: web.Request) -> web.Response:
    fields = await provider.form(request)
    assert (request.path, fields["api_key"]) == ("/sms/json", "AC1")
    errors = {
        "invalid": ("6", "Unroutable message - rejected"),
        "credit": ("9", "Quota exceeded - rejected"),
        "fast": ("1", "Throughput rate exceeded"),
    }
    error = errors.get(kind(fields["to"]))
    if fields["api_secret"] != "right":
        error = ("4", "Bad Credentials")
    if error is not None:
        return reply(200, {"message-count": "1", "messages": [{"status": error[0], "error-text": error[1]}]})
    one = {"to": fields["to"], "status": "0", "remaining-balance": "3.14", "message-price": "0.03", "network": "12345"}
    parts = [{**one, "message-id": "0A1"}, {**one, "message-id": "0A2"}]
    return reply(200, {"message-count": "2", "messages": parts})


async def sinch(provider: Provider, request: web.Request) -> web.Response:
    assert request.path == "/xms/v1/AC1/batches"
    if request.headers.get("Authorization") != "Bearer right":
        return web.Response(status=401)
    fields = await provider.json(request)
    errors = {
        "invalid": (400, {"code": "syntax_invalid_parameter_format", "text": "The field 'to' is not valid"}),
        "credit": (402, {"code": "insufficient_balance", "text": "no money"}),
        "fast": (429, {}),
    }
    if found := errors.get(kind(fields["to"][0])):
        return reply(*found)
    return reply(
        201, {"id": "01FC66621XXXXX119Z8PMV1QPQ", "to": fields["to"], "body": fields["body"], "canceled": False}
    )


async def messagebird(provider: Provider, request: web.Request) -> web.Response:
    assert request.path == "/messages"
    if request.headers.get("Authorization") != "AccessKey right":
        return reply(401, {"errors": [{"code": 2, "description": "Request not allowed (incorrect access_key)"}]})
    fields = await provider.json(request)
    errors = {
        "invalid": (422, 9, "no (correct) recipients found"),
        "credit": (402, 25, "Not enough balance"),
        "fast": (429, 98, "Too many requests"),
    }
    if found := errors.get(kind(fields["recipients"][0])):
        status, code, description = found
        code = 0 if status == 429 else code
        return reply(status, {"errors": [{"code": code, "description": description, "parameter": "recipients"}]})
    return reply(201, {"id": "e8077d803532c0b5937c639b60216938", "recipients": {"totalSentCount": 1}})


async def infobip(provider: Provider, request: web.Request) -> web.Response:
    assert request.path == "/sms/3/messages"
    if request.headers.get("Authorization") != "App right":
        error = {"messageId": "UNAUTHORIZED", "text": "Invalid login details"}
        return reply(401, {"requestError": {"serviceException": error}})
    fields = await provider.json(request)
    [destination] = fields["messages"][0]["destinations"]
    statuses = {
        "invalid": (5, "REJECTED", 52, "REJECTED_DESTINATION"),
        "credit": (5, "REJECTED", 12, "REJECTED_NOT_ENOUGH_CREDITS"),
        "fast": (5, "REJECTED", 20, "REJECTED_FLOODING_FILTER"),
        "": (1, "PENDING", 26, "PENDING_ACCEPTED"),
    }
    group, group_name, number, name = statuses[kind(destination["to"])]
    status = {"groupId": group, "groupName": group_name, "id": number, "name": name, "description": "…"}
    message = {"messageId": destination["messageId"], "status": status, "destination": destination["to"]}
    return reply(200, {"bulkId": "1", "messages": [message]})


async def plivo(provider: Provider, request: web.Request) -> web.Response:
    assert request.path == "/v1/Account/AC1/Message/"
    if not basic(request, "AC1", "right"):
        return reply(401, {"api_id": "1", "error": "authentication failed"})
    fields = await provider.json(request)
    errors = {"invalid": (400, "is not a valid phone number"), "credit": (402, "no credit"), "fast": (429, "slow down")}
    if found := errors.get(kind(fields["dst"])):
        return reply(found[0], {"api_id": "1", "error": found[1]})
    return reply(202, {"message": "message(s) queued", "message_uuid": ["db3ce55a"], "api_id": "1"})


async def telnyx(provider: Provider, request: web.Request) -> web.Response:
    assert request.path == "/v2/messages"
    if request.headers.get("Authorization") != "Bearer right":
        return reply(401, {"errors": [{"code": "10009", "title": "Authentication failed"}]})
    fields = await provider.json(request)
    errors = {
        "invalid": (400, "40310", "Invalid 'to' address"),
        "credit": (403, "20100", "Insufficient funds"),
        "fast": (429, "10011", "Too many requests"),
    }
    if found := errors.get(kind(fields["to"])):
        status, code, title = found
        return reply(status, {"errors": [{"code": code, "title": title, "detail": title}]})
    return reply(200, {"data": {"id": "40385f64", "record_type": "message", "to": [{"status": "queued"}]}})


async def seven(provider: Provider, request: web.Request) -> web.Response:
    assert request.path == "/api/sms"
    if request.headers.get("X-Api-Key") != "right":
        return web.Response(text="900")
    fields = await provider.json(request)
    codes = {"invalid": "202", "credit": "500", "fast": ""}
    if (code := codes.get(kind(fields["to"]))) is not None:
        if not code:
            return web.Response(status=429)
        return reply(200, {"success": code, "total_price": 0, "messages": []})
    message = {"id": "77229135982", "recipient": fields["to"], "success": True, "error": None, "error_text": None}
    return reply(200, {"success": "100", "total_price": 0.075, "messages": [message]})


async def android_sms_gateway(provider: Provider, request: web.Request) -> web.Response:
    assert request.path == "/messages"
    if not basic(request, "AC1", "right"):
        return reply(401, {"message": "Unauthorized"})
    fields = await provider.json(request)
    errors = {"invalid": (400, "invalid phone number"), "credit": (403, "forbidden"), "fast": (429, "")}
    if found := errors.get(kind(fields["phoneNumbers"][0])):
        return reply(found[0], {"message": found[1]})
    if [each["id"] for each in provider.requests].count(fields["id"]) > 1:
        return reply(409, {"message": "duplicate id"})
    return reply(202, {"id": fields["id"], "deviceId": "d", "state": "Pending", "recipients": []})


async def jasmin(provider: Provider, request: web.Request) -> web.Response:
    assert request.path == "/send"
    fields = await provider.form(request)
    if (fields["username"], fields["password"]) != ("AC1", "right"):
        return web.Response(status=403, text='Error "Authentication failure for username:AC1"')
    errors = {
        "invalid": (400, "Argument [to] has an invalid value"),
        "credit": (403, "Cannot charge submit_sm, check RouterPB log file for details"),
        "fast": (503, "Cannot send submit_sm, throughput exceeded"),
    }
    if found := errors.get(kind(fields["to"])):
        return web.Response(status=found[0], text=f'Error "{found[1]}"')
    return web.Response(text='Success "07033084-5cfd-4812-90a4-e4d24ffb6e3d"')


async def plain(provider: Provider, request: web.Request) -> web.Response:
    if request.headers.get("x-ins-auth-key") != "right":
        return web.Response(status=401)
    fields = await provider.json(request)
    statuses = {"invalid": 422, "credit": 402, "fast": 429}
    if found := statuses.get(kind(fields["to"])):
        return web.Response(status=found)
    return reply(202, {"message": "Accepted", "messageId": "67f2f8a8"})


HANDLERS: Final[dict[str, Handler]] = {
    each.__name__: each
    for each in (twilio, vonage, sinch, messagebird, infobip, plivo, telnyx, seven, android_sms_gateway, jasmin, plain)
}
USERS: Final = ("account_sid", "auth_id", "api_key", "service_plan_id", "username")
"""Credentials that are a name, where a secret stands beside them."""
