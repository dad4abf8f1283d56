"""api/openapi/failures.py: the errors that the document shows for every route are those that are answered."""

import msgspec
import pytest
from aiohttp import web

from api.app import create_app
from api.http import auth
from api.http.body import ANOTHER_TYPE
from api.openapi import failures
from tests.integration.api.accounts.people import OPERATORS_KEY, join, operator
from tests.integration.api.client import JSON, MESSAGE, Api
from tests.integration.api.described import document
from tidings.settings import Settings

MESSAGES = "/api/v1/messages"


@pytest.fixture
def app(settings: Settings) -> web.Application:
    return create_app(msgspec.structs.replace(settings, api_key=OPERATORS_KEY))


async def test_who_may(api: Api) -> None:
    assert (await api.get(MESSAGES)).body["detail"] == auth.NO_CREDENTIAL
    assert (await (await join(api)).get("/api/v1/users")).body["detail"] == auth.NOT_ADMIN


@pytest.mark.parametrize(
    ("content_type", "body", "detail"),
    [
        (JSON["Content-Type"], b"hello", failures.NOT_JSON),
        (JSON["Content-Type"], msgspec.json.encode({**MESSAGE, "content": "x" * 1024**2}), failures.TOO_LARGE),
        ("text/plain", b"{}", ANOTHER_TYPE),
        (JSON["Content-Type"], b"{}", "channel is missing"),
        (JSON["Content-Type"], msgspec.json.encode({**MESSAGE, "colour": "red"}), "colour is unknown"),
    ],
)
async def test_what_is_wrong_with_a_body(api: Api, content_type: str, body: bytes, detail: str) -> None:
    headers = {"Authorization": f"Bearer {OPERATORS_KEY}", "Content-Type": content_type}
    answer = await api.send("POST", MESSAGES, headers=headers, body=body)
    assert answer.body["detail"] == detail
    [answered] = document()["paths"][MESSAGES]["post"]["responses"][str(answer.status)]["content"].values()
    shown = answered["examples"][detail]["value"]
    assert {**shown, "errors": ...} == {**answer.body, "errors": ...}


async def test_what_is_wrong_with_a_limit(api: Api) -> None:
    assert (await operator(api).get(f"{MESSAGES}?limit=0")).body["detail"] == failures.LIMIT


async def test_pages_of_other_sites(settings: Settings) -> None:
    async with Api.serving(create_app(settings)) as api:
        answer = await api.post(MESSAGES, MESSAGE, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.body["detail"] == auth.FOREIGN_PAGE
