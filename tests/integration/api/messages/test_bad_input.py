"""Whatever is wrong with a request is answered by a problem that names it, and nothing is stored."""

import socket
from http import HTTPStatus
from typing import Any, Final

import pytest

from tests.integration.api.client import JSON, MESSAGE, Api

POST: Final = "/api/v1/messages"

WRONG_FIELDS: Final[list[tuple[str, object]]] = [
    ("channel", 5),
    ("channel", "pigeon"),
    ("recipient", "12"),
    ("recipient", ["+905551111111"]),
    ("content", ""),
    ("content", None),
    ("content", "\0"),
    ("subject", "a\r\nBcc: everybody"),
    ("headers", "x"),
    ("headers", {"X": 5}),
    ("headers", {"X": "a\nb"}),
    ("queue", "nowhere"),
    ("queue", "\0"),
    ("priority", "urgent"),
    ("due_at", "2030-01-01T00:00:00"),
    ("due_at", "9999-01-01T00:00:00Z"),
    ("expires_at", "2020-01-01T00:00:00Z"),
    ("max_tries", 0),
    ("max_tries", 1.5),
    ("colour", "red"),
]


async def test_each_field_wrong_in_turn(api: Api) -> None:
    for field, value in WRONG_FIELDS:
        answer = await api.post(POST, {**MESSAGE, field: value})
        assert (answer.status, answer.faults) == (422, [(None, field)]), value
    assert await api.all_messages() == []


async def test_each_field_missing_in_turn(api: Api) -> None:
    for field in MESSAGE:
        answer = await api.post(POST, {name: value for name, value in MESSAGE.items() if name != field})
        assert (answer.status, answer.faults) == (422, [(None, field)])
    assert await api.all_messages() == []


NOT_JSON: Final[list[bytes]] = [
    b"",
    b"hello",
    b"{",
    b'{"channel": "sms",}',
    b'{"content": "\xff"}',
    b'{"content": "\\ud800"}',
    b"\xef\xbb\xbf{}",
    b'{"messages": ' + b"[" * 100_000,
]


@pytest.mark.parametrize("path", [POST, f"{POST}/batch"])
async def test_what_is_not_json(api: Api, path: str) -> None:
    for body in NOT_JSON:
        answer = await api.send("POST", path, body=body, headers=JSON)
        # 422 where the decoder meets a wrong field before the end of the JSON.
        assert answer.status in {400, 422}, body[:40]
    assert await api.all_messages() == []


async def test_another_media_type(api: Api) -> None:
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json; charset=latin1"}):
        assert (await api.send("POST", POST, body=MESSAGE, headers=headers)).status == 415, headers
    assert await api.all_messages() == []


async def test_the_charset_may_be_named(api: Api) -> None:
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    assert (await api.send("POST", POST, body=MESSAGE, headers=headers)).status == 201


@pytest.mark.parametrize("path", [POST, f"{POST}/batch"])
async def test_too_large_a_body(api: Api, path: str) -> None:
    answer = await api.post(path, {**MESSAGE, "content": "x" * 1024**2})
    assert answer.status == 413
    assert await api.all_messages() == []


async def test_a_body_of_just_under_a_mebibyte_is_taken(api: Api) -> None:
    await api.accept(channel="email", recipient="ida@example.com", content="x" * (1024**2 - 100))


OTHER_METHODS: Final[list[tuple[str, str, str]]] = [
    ("DELETE", POST, "GET,HEAD,POST"),
    ("PATCH", "/api/v1/queues/default", "GET,HEAD,PUT"),
    ("GET", "/api/v1/queues/default/stop", "POST"),
]


async def test_a_body_that_is_no_json_at_all_is_a_bad_request(api: Api) -> None:
    for body in (b"", b"hello", b"{", b"\xef\xbb\xbf{}"):
        assert (await api.send("POST", POST, body=body, headers=JSON)).status == 400, body


async def test_another_method(api: Api) -> None:
    for method, path, allowed in OTHER_METHODS:
        answer = await api.send(method, path)
        assert (answer.status, answer.headers["Allow"]) == (405, allowed), path


async def test_another_path(api: Api) -> None:
    for path in ("/api/v1", "/api/v1/message", "/api/v1/messages/", "/%00"):
        assert (await api.get(path)).status == 404, path


WRONG_PARAMETERS: Final[list[tuple[str, str]]] = [
    ("status=done", "status"),
    ("limit=0", "limit"),
    ("limit=501", "limit"),
    ("limit=x", "limit"),
    ("cursor=x", "cursor"),
    ("created_from=today", "created_from"),
    ("created_until=2030-01-01T00:00:00", "created_until"),
    ("recipient=%00", "recipient"),
    ("colour=red", "colour"),
    ("status=sent&status=failed", "status"),
]


async def test_each_parameter_wrong_in_turn(api: Api) -> None:
    for query, field in WRONG_PARAMETERS:
        answer = await api.get(f"{POST}?{query}")
        assert (answer.status, answer.faults) == (422, [(None, field)]), query


async def test_parameters_that_are_not_utf8_do_no_harm(api: Api) -> None:
    assert (await api.get(f"{POST}?recipient=%ff%fe")).status in {200, 422}


async def test_a_body_that_breaks_off_stores_nothing(api: Api) -> None:
    with socket.create_connection((api.url.host, api.url.port)) as connection:
        connection.sendall(b"POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n")
        connection.sendall(b'Content-Type: application/json\r\n\r\n{"channel": "sms"')
    assert await api.all_messages() == []


async def test_the_answer_tells_nothing_of_the_inside(api: Api) -> None:
    body: dict[str, Any] = (await api.post(POST, {**MESSAGE, "max_tries": "many"})).body
    assert body == {
        "type": "about:blank",
        "title": HTTPStatus.UNPROCESSABLE_ENTITY.phrase,
        "status": 422,
        "detail": "max_tries expected int | null, got str",
        "instance": POST,
        "errors": [{"field": "max_tries", "detail": "expected int | null, got str"}],
    }
