"""api/openapi/operation.py: what a handler says of itself, and what is refused that says too little."""

from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from api.openapi.document import Document
from api.openapi.operation import (
    Access,
    Answer,
    Parameter,
    Tag,
    UndocumentedError,
    needs_of,
    operation,
    operation_of,
    page,
)
from tidings.domain.api_key import Scope

TAG = Tag("Things", "For tests.")
DONE = {HTTPStatus.OK: Answer("Done.", str, "OK")}
ID = Parameter("id", str, "Which one.", "a", "path")


async def says_nothing(_request: web.Request) -> web.Response:
    """Handles."""
    return web.Response()


@operation(TAG, access=Access.MEMBERS, scope=Scope.READ, answers=DONE)
async def without_a_docstring(_request: web.Request) -> web.Response:
    return web.Response()


@operation(TAG, access=Access.MEMBERS, scope=Scope.READ, answers=DONE, parameters=(ID,))
async def of_one_thing(_request: web.Request) -> web.Response:
    """Shows a thing.

    All of it, even
    what is below.
    """
    return web.Response()


@operation(TAG, answers=DONE, access=Access.EVERYBODY)
async def of_all_things(_request: web.Request) -> web.Response:
    """Shows all things."""
    return web.Response()


@page(access=Access.EVERYBODY)
async def shown(_request: web.Request) -> web.Response:
    return web.Response()


@page(access=Access.MEMBERS, scope=Scope.READ)
async def shown_to_some(_request: web.Request) -> web.Response:
    return web.Response()


def test_the_docstring_is_the_summary_and_the_description() -> None:
    said = operation_of(of_one_thing)
    assert said is not None
    assert (said.summary, said.description) == ("Shows a thing", "All of it, even\nwhat is below.")
    assert said.name == "test_operation_of_one_thing"


@pytest.mark.parametrize(
    ("path", "handler"),
    [
        ("/things", says_nothing),
        ("/things", without_a_docstring),
        ("/things", of_one_thing),
        ("/things/{number}", of_one_thing),
        ("/things/{id}", of_all_things),
    ],
)
def test_a_route_that_says_too_little_of_itself_is_refused(path: str, handler: Handler) -> None:
    app = web.Application()
    app.add_routes([web.get(path, handler)])
    with pytest.raises(UndocumentedError):
        Document(app.router)


def test_a_variable_may_have_a_pattern() -> None:
    app = web.Application()
    app.add_routes([web.get("/things/{id:[a-z]{1,5}}", of_one_thing)])
    assert list(Document(app.router).content["paths"]) == ["/things/{id}"]


def test_pages_are_no_part_of_the_document() -> None:
    app = web.Application()
    app.add_routes([web.get("/page", shown)])
    assert Document(app.router).content["paths"] == {}


def test_a_folder_declares_no_access_and_is_refused(tmp_path: Path) -> None:
    app = web.Application()
    app.add_routes([web.static("/files", tmp_path)])
    with pytest.raises(UndocumentedError):
        Document(app.router)


def test_access_is_as_declared() -> None:
    declared = [needs_of(handler).access for handler in (of_one_thing, of_all_things, shown, shown_to_some)]
    assert declared == [Access.MEMBERS, Access.EVERYBODY, Access.EVERYBODY, Access.MEMBERS]
    with pytest.raises(UndocumentedError):
        needs_of(says_nothing)


@pytest.mark.parametrize(
    ("access", "scope"), [(Access.MEMBERS, None), (Access.ADMINS, None), (Access.EVERYBODY, Scope.READ)]
)
def test_a_credential_needs_a_scope_and_nothing_else_has_one(access: Access, scope: Scope | None) -> None:
    with pytest.raises(UndocumentedError, match="scope"):
        operation(TAG, access=access, scope=scope, answers=DONE)(of_all_things)
    with pytest.raises(UndocumentedError, match="scope"):
        page(access=access, scope=scope)(of_all_things)
