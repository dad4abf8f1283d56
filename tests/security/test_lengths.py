"""No text holds the API up: the worst in every field of every operation, and `/health/live` still answers at once."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from functools import partial
from io import BytesIO
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec
import pytest
from argon2.profiles import CHEAPEST
from yarl import URL

from api.accounts import services
from api.accounts.passwords import Passwords
from tests.integration.api.accounts.people import Person, admin, operator
from tests.integration.api.client import JSON, MESSAGE, Api
from tests.integration.api.described import document, operations
from tests.security.holding import LONGEST_SECONDS, longest_step

MEBIBYTE: Final = 1024**2
WORST: Final[Mapping[str, tuple[str, str, str]]] = {
    "marks": ("a", "\u0301\u0323", "@b.de"),
    "marks of a host": ("https://a", "\u0301\u0323", "/"),
    "comments": ("", "(", ""),
    "letters of a host": ("https://", "ü", "/"),
    "labels of a host": ("https://", "ü.", "/"),
    "signs": ("", "+-", ""),
    "colons": ("https://[", ":", "]/"),
    "padding": ("", " ", "x"),
    "quotes": ('"', '\\"', '"@b.de'),
    "brackets": ("a ", "<", ">"),
    "digits": ("+", "1", ""),
    "percent": ("slack://", "%25", ""),
}
"""Beginning, what is repeated, end."""
NUMBERS: Final = (b"1" * (MEBIBYTE - 200), b"-1e" + b"9" * (MEBIBYTE - 200), b"0." + b"1" * (MEBIBYTE - 200))
NESTED: Final = (b"[" * (MEBIBYTE - 200), b'{"a":' * (MEBIBYTE // 5 - 100))
LINE: Final = 8000
"""Bytes of a request's first line, and of a header, that aiohttp takes."""


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "Passwords", partial(Passwords, CHEAPEST))


def text(kind: str, *, characters: int) -> str:
    first, again, last = WORST[kind]
    return f"{first}{again * ((characters - len(first) - len(last)) // len(again))}{last}"


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def fields(schema: dict[str, Any], path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Where a body has a text, and how long that may be."""
    schema = resolved(schema)
    for each in (schema, *map(resolved, schema.get("anyOf", ()))):
        if path and each.get("type", "string") == "string" and not {"anyOf", "enum", "format"} & each.keys():
            yield path, each.get("maxLength", MEBIBYTE)
        for name, inner in each.get("properties", {}).items():
            yield from fields(inner, (*path, name))
        if isinstance(each.get("items"), dict):
            yield from fields(each["items"], (*path, 0))
        if isinstance(each.get("additionalProperties"), dict):
            yield from fields(each["additionalProperties"], (*path, "X-Header"))


def with_value(body: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    first, *rest = path
    if first == 0:
        return [with_value(body[0] if isinstance(body, list) and body else {}, tuple(rest), value)]
    inner = body if isinstance(body, dict) else {}
    return {**inner, first: with_value(inner.get(str(first)), tuple(rest), value)}


JSON_OPERATIONS: Final = [
    (method, path, content["schema"], next(each["value"] for each in content["examples"].values()))
    for method, path, found in operations()
    if (content := found.get("requestBody", {}).get("content", {}).get("application/json"))
]


class Client:
    """Sends bytes as they are, and looks at what comes of it."""

    def __init__(self, api: Api, session: aiohttp.ClientSession, who: Person) -> None:
        self._url = api.url
        self._session = session
        self._headers = {"Authorization": f"Bearer {who.credential}"}

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> int:
        url = self._url.join(URL(target, encoded=True))
        data = None if body is None else BytesIO(body)
        try:
            sent = self._session.request(method, url, data=data, headers={**self._headers, **headers})
            async with sent as response:
                if response.content_type != "text/event-stream":
                    await response.read()
                return response.status
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            return 413  # refused while it was being sent

    async def check(
        self, what: str, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> int:
        """The status; fails where the loop was held, or the fault is ours."""
        statuses: list[int] = []

        async def act() -> None:
            statuses.append(await self.send(method, target, headers, body))

        longest = await longest_step(act)
        assert longest <= LONGEST_SECONDS, f"{method} {target[:60]} {what}: {longest * 1000:.0f} ms"
        assert statuses[0] < 500, f"{method} {target[:60]} {what}: {statuses[0]}"
        return statuses[0]


def filled(path: str) -> str:
    """The path with an example in place of each variable."""
    return path.replace("{name}", "default").replace("{action}", "start").replace("{", "").replace("}", "")


async def test_the_worst_in_every_field_of_every_body(api: Api) -> None:
    who = await admin(api)
    async with aiohttp.ClientSession() as session:
        client = Client(api, session, who)
        for method, path, schema, example in JSON_OPERATIONS:
            for field, most in dict(fields(schema)).items():
                for kind in WORST:
                    # As long as is looked at, and as long as could be sent.
                    for characters in {min(most, 64 * 1024), *([MEBIBYTE // 3] if kind == "marks" else [])}:
                        value = text(kind, characters=characters)
                        body = msgspec.json.encode(with_value(example, field, value))
                        await client.check(f"{field} {kind} {characters}", method, filled(path), JSON, body)


async def test_numbers_and_nesting_in_every_body(api: Api) -> None:
    who = await admin(api)
    async with aiohttp.ClientSession() as session:
        client = Client(api, session, who)
        for method, path, schema, example in JSON_OPERATIONS:
            names = {str(field[0]) for field, _ in fields(schema)} | set(resolved(schema).get("properties", ()))
            for name in names:
                mark = msgspec.json.encode(with_value(example, (name,), "MARK"))
                for value in (*NUMBERS, *NESTED, b"9" * 4300, b"[" * 900 + b"]" * 900, b"[" + b"0," * 400_000 + b"0]"):
                    body = mark.replace(b'"MARK"', value)
                    assert await client.check(f"{name} {value[:4]!r}", method, filled(path), JSON, body) >= 200


async def test_lists_that_are_as_long_as_they_may_be(api: Api) -> None:
    who = await admin(api)
    address = "ü" * 24 + "%d@" + "\u0101" * 20 + ".de"
    many = [address % number for number in range(90)]
    mail = {"channel": "email", "recipient": "ida@example.com", "content": "x"}
    worst = [text("marks", characters=320)] * 1000
    bodies = {
        "cc": ("/api/v1/messages", {**mail, "cc": many, "reply_to": many}),
        "bad cc": ("/api/v1/messages", {**mail, "cc": worst[:100], "bcc": worst[:100], "reply_to": worst[:100]}),
        "headers": ("/api/v1/messages", {**MESSAGE, "headers": {f"X-{number}": "(" for number in range(70_000)}}),
        "batch": ("/api/v1/messages/batch", {"messages": [{**mail, "recipient": each} for each in worst]}),
        "IDN": ("/api/v1/messages/batch", {"messages": [{**mail, "recipient": address % n} for n in range(1000)]}),
        "numbers": (
            "/api/v1/messages/batch",
            {"messages": [{**MESSAGE, "recipient": f"+9055511{number:05}"} for number in range(1000)]},
        ),
    }
    async with aiohttp.ClientSession() as session:
        client = Client(api, session, who)
        for what, (path, body) in bodies.items():
            await client.check(what, "POST", path, JSON, msgspec.json.encode(body))
        allowed = msgspec.json.encode({"allowed_from": [address % number for number in range(1000)]})
        await client.check("allowed_from", "PATCH", f"/api/v1/users/{who.id}", JSON, allowed)


async def test_the_worst_in_every_parameter_of_every_path_and_query(api: Api) -> None:
    who = await admin(api)
    async with aiohttp.ClientSession() as session:
        client = Client(api, session, who)
        for method, path, found in operations():
            if path.endswith("/events"):
                continue
            for parameter in found.get("parameters", ()):
                for kind in WORST:
                    value = quote(text(kind, characters=1000), safe="(+-:<>")[: LINE - 1000]
                    headers = JSON if "requestBody" in found else {}
                    if parameter["in"] == "query":
                        target = f"{filled(path)}?{parameter['name']}={value}"
                    elif parameter["in"] == "path":
                        target = path.replace(f"{{{parameter['name']}}}", value).replace("{id}", str(who.id))
                    else:
                        target = filled(path)
                        headers = {**headers, parameter["name"]: value * 3}
                    await client.check(f"{parameter['name']} {kind}", method, target, headers, b"{}")


HEADERS: Final = (
    *("Accept", "Authorization", "Content-Type", "Cookie", "Forwarded", "Host", "Idempotency-Key", "If-Match"),
    *("If-None-Match", "Origin", "Range", "Sec-Fetch-Site", "traceparent", "tracestate", "X-Forwarded-Proto"),
)
NESTED_TOKEN: Final = urlsafe_b64encode(b"[" * 5900).decode()


async def test_the_worst_in_every_header(api: Api) -> None:
    who = await admin(api)
    values = ("(", "a=b;", 'a="\\', ",", "text/html;q=0,", "a.", "[", "=", "Bearer ", "\\")
    async with aiohttp.ClientSession() as session:
        client = Client(api, session, who)
        for name in HEADERS:
            for value in (*(each * (LINE // len(each)) for each in values), f"Bearer {NESTED_TOKEN}.e30.e30"):
                for method, path in (("POST", "/api/v1/messages"), ("GET", "/"), ("POST", "/dashboard/session")):
                    headers = {**JSON, "Sec-Fetch-Site": "same-origin", name: value.strip()}
                    await client.check(
                        f"{name} {value[:6]}", method, path, headers, b"{}" if method == "POST" else None
                    )
        cookie = {"Cookie": f"tidings_session={NESTED_TOKEN}.e30.e30", "Authorization": ""}
        assert await client.check("cookie", "GET", "/dashboard/session", cookie) == 401


async def test_a_login_that_is_too_long_is_refused_before_it_is_read(api: Api) -> None:
    email = text("marks", characters=MEBIBYTE // 4)

    def body(email: str) -> bytes:
        return msgspec.json.encode({"email": email, "password": "x" * 20})

    async with aiohttp.ClientSession() as session:
        client = Client(api, session, operator(api))
        for path in ("/api/v1/tokens", "/api/v1/accounts", "/api/v1/login"):
            assert await client.check("long", "POST", path, JSON, body(email)) == 413, path
            assert await client.check("too long", "POST", path, JSON, body("a" * 330 + "@b.de")) in {400, 422}, path


async def test_the_document_says_how_long_each_text_may_be() -> None:
    without = {
        (method, path, field)
        for method, path, schema, _ in JSON_OPERATIONS
        for field, most in fields(schema)
        if most == MEBIBYTE and field[-1] not in {"content", "html", "body"}
    }
    # Bytes in base64, as long as the request; what JavaScript takes for a text; and any JSON.
    assert {field for _, _, field in without} <= {("attachments", 0, "content"), ("message",), ("payload",)}
