"""tidings/channels/sms/gateway_client.py: gateways that no preset fits"""

import hmac
import json
from base64 import b64encode
from typing import Any
from uuid import UUID

import pytest

from tests.unit.channels.doubles import MESSAGE_ID, NOW, Request, ScriptedTransport, answer, delivery
from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.channels.http.transport import Answer, ForbiddenError, TransportError
from tidings.channels.sms.configured import preset_of
from tidings.channels.sms.gateway_client import GatewayClient
from tidings.domain.gateway import Gateway

CREDENTIALS = {"user": "ada", "key": "s3cret/ü"}
FIELDS = {"to": "{to}", "text": "{content}"}


async def exchanged(
    spec: dict[str, Any],
    result: Answer | TransportError | None = None,
    *,
    base: str = "https://sms.example/",
    **more: Any,
) -> tuple[Result, Request]:
    gateway = Gateway(id=UUID(int=1), name="own", base_url=base, senders=("SHOP",))
    preset = preset_of(None, {"optional": sorted(CREDENTIALS), **spec})
    transport = ScriptedTransport(answer(200, b'{"id":"1"}') if result is None else result)
    client = GatewayClient(gateway, preset, CREDENTIALS, where="gateway 'own'")
    outcome = await client.send(delivery(**more), transport, lambda: NOW)
    return outcome, transport.requests[0]


async def test_basic() -> None:
    auth = {"kind": "basic", "username": "{user}", "password": "{key}"}
    _, request = await exchanged({"request": {"auth": auth, "fields": FIELDS}})
    assert request.headers["Authorization"] == f"Basic {b64encode('ada:s3cret/ü'.encode()).decode()}"
    assert request.url == "https://sms.example/"


async def test_a_key_in_the_query_of_a_get() -> None:
    spec = {"method": "GET", "path": "/send", "auth": {"kind": "query", "name": "k", "value": "{key}"}, "body": "query"}
    _, request = await exchanged({"request": {**spec, "fields": {**FIELDS, "parts": "{parts}"}}}, content="a b&c")
    assert (request.method, request.body) == ("GET", b"")
    assert request.url == "https://sms.example/send?to=%2B905551111111&text=a+b%26c&parts=1&k=s3cret%2F%C3%BC"
    assert "Content-Type" not in request.headers


async def test_what_is_put_into_a_path_is_encoded() -> None:
    _, request = await exchanged({"request": {"path": "/{key}/{to}?x=1"}})
    assert request.url == "https://sms.example/s3cret%2F%C3%BC/%2B905551111111?x=1"


async def test_a_signature_over_body_and_time() -> None:
    auth = {
        "kind": "hmac", "name": "X-Signature", "key": "{key}", "over": "{timestamp}.{body}",
        "value": "sha256={signature}", "timestamp_header": "X-Time",
    }  # fmt: skip
    _, request = await exchanged({"request": {"auth": auth, "fields": FIELDS}})
    timestamp = str(int(NOW.timestamp()))
    signed = hmac.digest("s3cret/ü".encode(), f"{timestamp}.".encode() + request.body, "sha256").hex()
    assert (request.headers["X-Signature"], request.headers["X-Time"]) == (f"sha256={signed}", timestamp)


async def test_fields_are_nested_and_empty_ones_left_out() -> None:
    fields = {
        "message": {"to": ["{digits}"], "text": "{content}", "from": "{from}", "callback": "{callback}"},
        "parts": "{parts}",
        "nothing": {"callback": "{callback}"},
        "flag": True,
        "reference": "{id}",
    }
    _, request = await exchanged({"request": {"fields": fields}})
    assert json.loads(request.body) == {
        "message": {"to": ["905551111111"], "text": "Hello", "from": "SHOP"},
        "parts": 1,
        "flag": True,
        "reference": str(MESSAGE_ID),
    }


async def test_a_text_is_never_taken_for_a_placeholder() -> None:
    _, request = await exchanged({"request": {"fields": FIELDS}}, content="{key} {to}")
    assert json.loads(request.body)["text"] == "{key} {to}"


SPEC: dict[str, Any] = {
    "success": {"at": ["ok"], "equals": ["true"], "id": ["id"]},
    "errors": {
        "code": ["code"], "message": ["why"], "hold": ["credit"], "rejected": ["number"], "pace": ["fast"],
        "statuses_retry": [404],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("response", "kind", "about"),
    [
        (answer(200, b'{"ok":true,"id":5}'), Accepted, None),
        (answer(200, b'{"ok":false,"code":"number","why":"bad\\nnumber"}'), Rejected, About.MESSAGE),
        (answer(200, b'{"ok":false,"code":"credit"}'), Retry, About.ACCOUNT),
        (answer(200, b'{"ok":false,"code":"fast"}'), Retry, About.PACE),
        (answer(200, b'{"ok":false,"code":"unheard of"}'), Retry, About.ENDPOINT),
        # Says nothing of itself: it has the message, which is not sent again.
        (answer(200, b"fine"), Accepted, None),
        (answer(200, b""), Accepted, None),
        # A code counts before the status.
        (answer(500, b'{"code":"number"}'), Rejected, About.MESSAGE),
        (answer(404, b""), Retry, About.ENDPOINT),
        (answer(401, b""), Retry, About.ACCOUNT),
        (answer(402, b""), Retry, About.ACCOUNT),
        (answer(403, b'{"code":"unheard of"}'), Retry, About.ACCOUNT),
        (answer(422, b""), Rejected, About.ENDPOINT),
        (answer(429, b"", retry_after="7"), Retry, About.PACE),
        (answer(503, b""), Retry, About.ENDPOINT),
        (answer(200, b"<html>", content_type="text/html"), Rejected, About.ACCOUNT),
        (TransportError("timed out", unanswered=True), Retry, About.ENDPOINT),
        (TransportError("no connection"), Retry, About.HOST),
        (ForbiddenError("the address is not open"), Retry, About.ACCOUNT),
    ],
)
async def test_what_an_answer_means(response: Answer | TransportError, kind: type[Result], about: About | None) -> None:
    result, _ = await exchanged(SPEC, response)
    assert isinstance(result, kind)
    if not isinstance(result, Accepted):
        assert result.about is about
        assert "\n" not in result.error
        assert "s3cret" not in result.error


async def test_an_id_that_cannot_be_kept_is_none() -> None:
    result, _ = await exchanged(SPEC, answer(200, json.dumps({"ok": True, "id": "x" * 256}).encode()))
    assert isinstance(result, Accepted)
    assert result.provider_message_id is None
