"""api/http/problems.py"""

from http import HTTPStatus
from typing import Any

import asyncpg
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from api.http.problems import Fault, InvalidError, RequestError, problems
from tidings.domain.errors import StoreUnavailableError


async def answer_to(error: BaseException) -> tuple[web.Response, dict[str, Any]]:
    async def handler(_request: web.Request) -> web.StreamResponse:
        raise error

    response = await problems(make_mocked_request("GET", "/some/p%C3%A4th?x=1"), handler)
    assert isinstance(response, web.Response)
    assert response.content_type == "application/problem+json"
    assert isinstance(response.body, bytes)
    document = msgspec.json.decode(response.body)
    assert document["status"] == response.status
    assert document["type"] == "about:blank"
    assert document["title"] == HTTPStatus(response.status).phrase
    assert document["instance"] == "/some/p%C3%A4th"
    return response, document


async def test_a_problem_of_ours() -> None:
    response, document = await answer_to(RequestError(HTTPStatus.CONFLICT, "too late", headers={"X-Y": "z"}))
    assert (response.status, document["detail"], response.headers["X-Y"]) == (409, "too late", "z")
    assert "errors" not in document


async def test_faults_are_listed() -> None:
    faults = [Fault(index=3, field="queue", detail="is not a queue"), Fault(detail="is not JSON")]
    response, document = await answer_to(InvalidError(faults))
    assert response.status == 422
    assert document["detail"] == "message 3: queue is not a queue (and 1 more)"
    assert document["errors"] == [
        {"index": 3, "field": "queue", "detail": "is not a queue"},
        {"detail": "is not JSON"},
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (web.HTTPNotFound(), 404),
        (web.HTTPMethodNotAllowed("PATCH", ["GET", "POST"]), 405),
        (web.HTTPRequestEntityTooLarge(10, 20), 413),
    ],
)
async def test_errors_of_aiohttp(error: web.HTTPException, status: int) -> None:
    response, document = await answer_to(error)
    assert response.status == status
    assert document["detail"]
    assert ("Allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailableError("busy"),
        ConnectionRefusedError("secret"),
        TimeoutError(),
        asyncpg.CannotConnectNowError("secret"),
    ],
)
async def test_a_store_that_is_away_is_worth_another_try(error: Exception) -> None:
    response, document = await answer_to(error)
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert "secret" not in document["detail"]


async def test_a_fault_of_ours_tells_nothing_of_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    response, document = await answer_to(ZeroDivisionError("secret"))
    assert response.status == 500
    assert "secret" not in str(document)
    assert "ZeroDivision" not in str(document)


async def test_what_is_no_error_passes() -> None:
    with pytest.raises(web.HTTPFound):
        await answer_to(web.HTTPFound("/elsewhere"))
