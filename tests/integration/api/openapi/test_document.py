"""api/openapi/document.py: the document of the whole application is valid, complete, and true of the code."""

import re
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.app import create_app
from api.compat.systems import SYSTEMS
from api.http.auth import NOT_ADMIN
from api.messages import listing
from api.openapi import parameters
from api.openapi.operation import operation_of
from tests.integration.api.accounts.test_isolation import ROUTES, Business
from tests.integration.api.described import document, operations, validator
from tidings.domain.api_key import Scope
from tidings.settings import Settings

OPERATIONS = [pytest.param(method, path, said, id=f"{method} {path}") for method, path, said in operations()]


def test_it_is_valid() -> None:
    plain = msgspec.json.decode(msgspec.json.encode(document()))
    assert [error.message for error in OpenAPIV31SpecValidator(plain).iter_errors()] == []


def test_it_tells_of_every_route_but_pages() -> None:
    router = create_app(Settings()).router
    routed = {
        (route.method, route.resource.canonical)
        for route in router.routes()
        if route.resource is not None and route.method != "HEAD" and operation_of(route.handler) is not None
    }
    assert routed == {(method, path) for method, path, _ in operations()}
    assert len(routed) > 50


def test_names_are_given_once() -> None:
    names = Counter(said["operationId"] for _, _, said in operations())
    assert [name for name, times in names.items() if times > 1] == []


def test_each_older_system_has_a_part_of_it() -> None:
    last = [tag["name"] for tag in document()["tags"]][-len(SYSTEMS) :]
    theirs = {route.path: number for number, system in enumerate(SYSTEMS) for route in system.routes}
    for _, path, said in operations():
        assert said["tags"] == [last[theirs[path]]] if path in theirs else said["tags"][0] not in last


@pytest.mark.parametrize(("method", "path", "said"), OPERATIONS)
def test_a_route_is_told_of_in_full(method: str, path: str, said: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Z][^\n]{3,79}[^.\s]", said["summary"])
    assert set(re.findall(r"\{(\w+)\}", path)) == {
        each["name"] for each in said.get("parameters", []) if each["in"] == "path"
    }
    for each in said.get("parameters", []):
        assert each["description"].endswith(".")
        assert_valid(each["example"], each["schema"])
    for content in said.get("requestBody", {}).get("content", {}).values():
        assert content["examples"]
        for example in content["examples"].values():
            assert_valid(example["value"], content["schema"])
    assert any(int(status) < HTTPStatus.BAD_REQUEST for status in said["responses"])
    for answer in said["responses"].values():
        assert answer["description"]
        for example, schema in examples_in(next(iter(answer["content"].values()))):
            assert_valid(example, schema)


@pytest.mark.parametrize(("method", "path", "said"), OPERATIONS)
def test_who_may_is_told_as_it_is(method: str, path: str, said: dict[str, Any]) -> None:
    business = ROUTES[f"{method} {path}"]
    if business is Business.EVERYBODYS:
        assert said["security"] == []
    else:
        [token, api_key] = said["security"]
        assert token == {"token": []}
        [scope] = api_key["apiKey"]
        assert scope in set(Scope)
        assert f"the scope that this needs: {scope}" in str(said["responses"]["403"])
    assert (NOT_ADMIN in str(said["responses"].get("403"))) == (business is Business.ADMINS)


def test_the_parameters_of_lists_are_those_that_are_read() -> None:
    told = [each.name for each in (*parameters.MESSAGE_FILTER, *parameters.PAGE)]
    assert sorted(told) == sorted(listing._PARSERS)
    assert sorted(each.name for each in parameters.PAGE) == sorted(listing.PAGE_PARSERS)


def examples_in(content: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each example with its schema; a stream has none."""
    found = content.get("examples", {"the": {"value": content.get("example")}})
    assert found
    for example in found.values():
        assert example["value"] is not None
        if "schema" in content:
            yield example["value"], content["schema"]


def assert_valid(example: Any, schema: dict[str, Any]) -> None:
    errors = [str(error) for error in validator(schema).iter_errors(example)]
    assert errors == [], example
