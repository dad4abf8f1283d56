"""The link to unsubscribe: from the request that asks for it to the click (RFC 8058)"""

from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from yarl import URL

from api.app import create_app
from sql.store import Store
from tests.integration.api.accounts.people import Person, join
from tests.integration.api.bounces.conftest import settings
from tests.integration.api.client import Api
from tidings.settings import Settings

__all__ = ["settings"]

MESSAGES = "/api/v1/messages"
MAIL = {"channel": "email", "recipient": "Jörg <Joerg@Example.com>", "content": "News", "unsubscribe": True}
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def ada(api: Api) -> Person:
    return await join(api, "ada@example.org")


async def link(ada: Person) -> URL:
    """The path of the link in a mail."""
    created = await ada.post(MESSAGES, MAIL)
    assert created.status == 201, created.body
    headers = created.body["headers"]
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = URL(headers["List-Unsubscribe"].strip("<>"))
    assert (url.scheme, url.host) == ("https", "mail.sender.example")
    return ada.api.url.with_path(url.raw_path, encoded=True)


async def ask(api: Api, method: str, url: URL, body: Any = None, headers: Any = None) -> tuple[int, str, Any]:
    async with api._session.request(method, url, data=body, headers=headers) as response:
        return response.status, await response.text(), response.headers


async def listed(ada: Person) -> list[tuple[str, str]]:
    found = (await ada.get("/api/v1/suppressions")).body["suppressions"]
    return [(each["address"], each["reason"]) for each in found]


async def test_opening_the_link_shows_a_button_and_changes_nothing(ada: Person) -> None:
    status, page, headers = await ask(ada.api, "GET", await link(ada))
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script" not in page
    assert "form-action 'self'" in headers["Content-Security-Policy"]
    assert '<form method="post">' in page
    assert 'name="List-Unsubscribe" value="One-Click"' in page
    assert "joerg@example.com" in page
    assert await listed(ada) == []


async def test_a_click_needs_no_login_and_counts_once(ada: Person) -> None:
    url = await link(ada)
    waiting = (await ada.post(MESSAGES, {**MAIL, "due_at": "2030-01-01T00:00:00Z"})).body["id"]
    for _ in range(2):
        status, page, _ = await ask(ada.api, "POST", url, ONE_CLICK, FORM)
        assert (status, "You are unsubscribed" in page) == (200, True)
    assert await listed(ada) == [("joerg@example.com", "unsubscribe")]
    assert (await ada.get(f"{MESSAGES}/{waiting}")).body["cancel_reason"] == "suppressed"
    refused = await ada.post(MESSAGES, MAIL)
    assert (refused.status, "its reader unsubscribed" in refused.body["detail"]) == (422, True)


async def test_a_mail_program_may_send_a_form_in_parts(ada: Person) -> None:
    with aiohttp.MultipartWriter("form-data") as form:
        form.append("One-Click").set_content_disposition("form-data", name="List-Unsubscribe")
    assert (await ask(ada.api, "POST", await link(ada), form))[0] == 200
    assert len(await listed(ada)) == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", FORM),
        (b"List-Unsubscribe=No", FORM),
        (ONE_CLICK, {"Content-Type": "text/plain"}),
        (b"--x\r\n\r\n", {"Content-Type": "multipart/form-data; boundary=y"}),
        (b"\xff\xfe=%ff", FORM),
    ],
)
async def test_what_is_no_click_changes_nothing(body: bytes, headers: dict[str, str], ada: Person) -> None:
    assert (await ask(ada.api, "POST", await link(ada), body, headers))[0] == 400
    assert await listed(ada) == []


async def test_a_link_that_nobody_signed(ada: Person) -> None:
    url = await link(ada)
    forged = url.with_path(url.raw_path[:-3] + "AAA", encoded=True)
    for method, body in (("GET", None), ("POST", ONE_CLICK)):
        for each in (forged, url.with_path("/unsubscribe/x"), url.with_path("/unsubscribe/%3Cscript%3E", encoded=True)):
            status, page, _ = await ask(ada.api, method, each, body, FORM)
            assert (status, "This link does not work" in page) == (404, True)
            assert "script" not in page
    assert await listed(ada) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"channel": "echo", "recipient": "x"}, "is for e-mail"),
        ({"cc": ["grace@example.com"]}, "is for a mail to one recipient: a link is one reader's own"),
        (
            {"headers": {"list-unsubscribe": "<mailto:x@example.com>"}},
            "adds List-Unsubscribe, which headers has already",
        ),
    ],
)
async def test_where_a_link_cannot_be(changes: dict[str, Any], fault: str, api: Api, ada: Person) -> None:
    who = ada if "channel" not in changes else msgspec.structs.replace(ada, credential="the key of the operator")
    refused = await who.post(MESSAGES, {**MAIL, **changes})
    assert refused.faults == [(None, "unsubscribe")]
    assert refused.body["errors"][0]["detail"] == fault


@pytest.mark.parametrize("missing", ["public_url", "secret_keys"])
async def test_a_link_needs_settings(missing: str, settings: Settings, store: Store) -> None:
    without = msgspec.structs.replace(settings, **{missing: () if missing == "secret_keys" else ""})
    app: web.Application = create_app(without)
    async with Api.serving(app) as api:
        refused = await Person(api=api, credential="the key of the operator").post(MESSAGES, MAIL)
    assert refused.status == 422
    assert missing.upper() in refused.body["errors"][0]["detail"]
