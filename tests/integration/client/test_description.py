"""tidings_client against /openapi.json: each route has its method, and each field is there, of the same type."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints
from uuid import UUID

import httpx2
import pytest

from tests.integration.api.described import document, operations
from tidings_client import Client, Error, models
from tidings_client._decoding import json_name
from tidings_client.testing import FakeTidings

LEFT_TO_HTTP: Final = {
    "API keys": "administration",
    "Accounts": "administration",
    "Audit": "administration",
    "Bounces": "for the machines of a mail provider",
    "Endpoints": "administration",
    "Gateways": "administration",
    "Health": "for monitors",
    "Holds": "administration",
    "Overview": "for people, who have the dashboard and `tidings top`",
    "Reference": "this description itself",
    "Sessions": "administration",
    "Suppressions": "administration",
    "Users": "administration",
    **dict.fromkeys(
        (
            *("Distributed Mail Queue Service", "Job Management System", "Message Scheduler System"),
            *("Messaging Server", "message-sending-system"),
        ),
        "for the clients that these systems have",
    ),
}
"""Tags whose routes have no method: `Client.request` asks for them."""
LEFT_ROUTES: Final = {
    "GET /api/v1/changes/{change_id}": "for bulk changes that nobody waits for; `cancel_all` and `retry_all` wait",
    "POST /api/v1/changes/{change_id}/stop": "the same",
    "POST /api/v1/events/{event_id}/replay": "for who operates an endpoint",
    "GET /api/v1/events": "status events: `request` reads them",
    "GET /api/v1/events/stream": "status events: `listen` reads them",
    "GET /api/v1/events/reading": "how far a reader of status events is",
    "PUT /api/v1/events/reading": "the same",
}
"""Routes, of tags that have methods, without one."""

REQUESTS: Final[dict[str, tuple[type, set[str]]]] = {
    "MessageRequest": (models.NewMessage, set()),
    # What the methods say by themselves.
    "Selection": (models.Filter, {"all", "limit", "wait"}),
    "RetrySelection": (models.Filter, {"all", "limit", "wait", "cancel_reason"}),
    "QueueRequest": (models.QueueFields, set()),
    "EventDocument": (models.EventFields, {"type", "payload"}),
}
ANSWERS: Final[dict[str, type]] = {
    "MessageAnswer": models.Message,
    "api.messages.mail_schemas.MailAnswer": models.Mail,
    "Mailbox": models.Mailbox,
    "AttachmentAnswer": models.Attachment,
    "AttemptAnswer": models.Attempt,
    "Explanation": models.Explanation,
    "Facts": models.Facts,
    "LastTry": models.LastTry,
    "Next": models.Next,
    "Queue": models.Queue,
    "EventAnswer": models.Event,
    "EventDetail": models.EventDetail,
    "EventMessage": models.EventMessage,
    "Changed": models.Changed,
    "RetryDelays": models.RetryDelays,
}
WORDS: Final[dict[str, Any]] = {
    "Status": models.Status,
    "CancelReason": models.CancelReason,
    "HeldReason": models.HeldReason,
    "Receipt": models.Receipt,
    "ReceiptFilter": models.ReceiptFilter,
    "AttemptOutcome": models.Outcome,
    "Reason": models.Reason,
}


def wanted_routes() -> set[tuple[str, str]]:
    return {
        (method, path)
        for method, path, operation in operations()
        if not LEFT_TO_HTTP.keys() & set(operation["tags"]) and f"{method} {path}" not in LEFT_ROUTES
    }


def asked_routes() -> Iterator[tuple[str, str]]:
    """What the methods ask for, one call of each; an id or a name in the path is `it`."""
    asked: list[httpx2.Request] = []

    def serve(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(404)

    arguments: dict[str, Any] = {"channel": "sms", "recipient": "a", "messages": [{}], "message_id": "it", "name": "it"}
    arguments |= {"event_type": "a", "payload": None, "event_id": "it"}
    with Client("http://a.invalid", transport=httpx2.MockTransport(serve)) as client:
        for name, method in inspect.getmembers(Client, inspect.isfunction):
            if name.startswith("_") or name in {"close", "request", "listen"}:
                continue
            given = {key: arguments[key] for key in inspect.signature(method).parameters if key in arguments}
            with pytest.raises(Error):
                list(method(client, **given))
    for request in asked:
        yield request.method, request.url.path


def test_every_route_has_a_method_and_every_method_a_route() -> None:
    known = {(method, re.sub(r"\{\w+\}", "it", path)) for method, path in wanted_routes()}
    assert set(asked_routes()) == known


def test_nothing_is_left_out_that_is_not_there() -> None:
    assert LEFT_TO_HTTP.keys() <= {tag for _, _, operation in operations() for tag in operation["tags"]}
    assert LEFT_ROUTES.keys() <= {f"{method} {path}" for method, path, _ in operations()}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_can_say_all_that_the_api_takes(name: str) -> None:
    kind, by_themselves = REQUESTS[name]
    said = {json_name(field) for field in get_type_hints(kind)} | by_themselves
    assert said == set(schema(name)["properties"])


def test_a_list_can_be_filtered_as_the_api_does() -> None:
    parameters = {each["name"] for each in document()["paths"]["/api/v1/messages"]["get"]["parameters"]}
    assert get_type_hints(models.ListFilter).keys() | {"limit", "cursor"} == parameters


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_has_the_fields_of_the_api(name: str) -> None:
    kind = ANSWERS[name]
    hints = get_type_hints(kind)
    ours = {json_name(field.name): described(hints[field.name]) for field in fields(kind)}
    theirs = {field: of_schema(each) for field, each in schema(name)["properties"].items()}
    # What may be absent is None here.
    for field in theirs.keys() - set(schema(name)["required"]):
        ours[field], theirs[field] = ours[field].removesuffix("?"), theirs[field].removesuffix("?")
    assert ours == theirs


@pytest.mark.parametrize("name", WORDS)
def test_the_words_are_those_of_the_api(name: str) -> None:
    assert set(get_args(WORDS[name])) == set(schema(name)["enum"])


def test_the_fake_takes_what_the_api_takes(fake_tidings: FakeTidings) -> None:
    from tidings_client.testing.routes import _FIELDS

    assert set(schema("MessageRequest")["properties"]) == _FIELDS


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = document()["components"]["schemas"][name]
    return found


def of_schema(each: dict[str, Any]) -> str:
    """A type in few words; `?` says that it may be null."""
    if "anyOf" in each:
        kinds = [of_schema(one) for one in each["anyOf"] if one != {"type": "null"}]
        return f"{' | '.join(kinds)}?"
    if "$ref" in each:
        name = each["$ref"].rpartition("/")[2]
        return "string" if name in WORDS else ANSWERS[name].__name__
    match each.get("type", "anything"):
        case "array":
            return f"[{of_schema(each['items'])}]"
        case "string":
            return {"date-time": "time", "uuid": "uuid"}.get(each.get("format", ""), "string")
        case "object":
            return "object"
    return str(each.get("type", "anything"))


def described(hint: Any) -> str:
    """The same of an annotation."""
    plain = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "time", UUID: "uuid"}
    if hint is Any:
        return "anything"
    if hint in plain:
        return plain[hint]
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        return "string"
    if type(None) in arguments:
        [inner] = [each for each in arguments if each is not type(None)]
        return f"{described(inner)}?"
    if arguments:
        return "object" if len(arguments) == 2 else f"[{described(arguments[0])}]"
    return str(hint.__name__)
