"""api/compat/system.py: a problem document becomes what the clients of the path know."""

import re
from http import HTTPStatus

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from api.compat import systems
from api.compat.system import Problem, System, in_their_format
from api.http.body import answer
from api.http.problems import RequestError, problems
from tidings.domain.errors import StoreUnavailableError


def say(problem: Problem) -> web.Response:
    return answer({"said": problem.detail})


def system(paths: str, **statuses: int) -> System:
    by_number = {HTTPStatus[name].value: status for name, status in statuses.items()}
    return System(routes=(), paths=re.compile(paths), statuses=by_number, error=dict, respond=say)


async def answer_to(error: Exception, path: str, *known: System) -> web.StreamResponse:
    async def handler(_request: web.Request) -> web.StreamResponse:
        raise error

    async def with_problems(request: web.Request) -> web.StreamResponse:
        return await problems(request, handler)

    return await in_their_format(known)(make_mocked_request("GET", path), with_problems)


async def test_headers_stay_and_the_status_is_translated() -> None:
    error = RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, "wrong", headers={"X-Y": "z"})
    said = await answer_to(error, "/theirs", system("/theirs", UNPROCESSABLE_ENTITY=400))
    assert isinstance(said, web.Response)
    assert (said.status, said.body, said.headers["X-Y"]) == (400, b'{"said":"wrong"}', "z")
    assert said.content_type == "application/json"


async def test_a_store_that_is_away_is_told_in_their_format_too() -> None:
    said = await answer_to(StoreUnavailableError("busy"), "/theirs", system("/theirs"))
    assert (said.status, said.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize("path", ["/native", "/theirsome"])
async def test_other_paths_keep_their_problem_documents(path: str) -> None:
    said = await answer_to(RequestError(HTTPStatus.CONFLICT, "late"), path, system("/theirs(/.*)?"))
    assert (said.status, said.content_type) == (409, "application/problem+json")


async def test_of_two_systems_the_first_has_the_path() -> None:
    error = RequestError(HTTPStatus.CONFLICT, "late")
    said = await answer_to(error, "/a/b", system("/a/b", CONFLICT=400), system("/a(/.*)?", CONFLICT=500))
    assert said.status == 400


async def test_what_is_no_problem_passes_untouched() -> None:
    response = web.Response(text="fine")

    async def handler(_request: web.Request) -> web.StreamResponse:
        return response

    assert await in_their_format([system("/.*")])(make_mocked_request("GET", "/"), handler) is response


@pytest.mark.parametrize("route", systems.ROUTES, ids=str)
def test_every_route_is_on_a_path_of_its_system(route: web.RouteDef) -> None:
    [owner] = [known for known in systems.SYSTEMS if route in known.routes]
    claimants = [known for known in systems.SYSTEMS if known.paths.fullmatch(route.path)]
    assert claimants[0] is owner


@pytest.mark.parametrize(
    "path", ["/api/v1/messages", "/api/v1/users", "/api/v1/queues/default", "/health", "/health/live"]
)
def test_native_paths_are_nobodys(path: str) -> None:
    assert not any(known.paths.fullmatch(path) for known in systems.SYSTEMS)
