"""The document: every route of the router, with what its handler declares."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from api import API_VERSION
from api.compat.system import status_of
from api.openapi.error_formats import ErrorFormat, error_format_on
from api.openapi.failures import HEADERS, failures
from api.openapi.operation import (
    JSON,
    Access,
    Answer,
    Answers,
    Body,
    Operation,
    Parameter,
    RawBody,
    Tag,
    check,
    operation_of,
)
from api.openapi.schemas import Schema, schemas_of

VERSION: Final = "3.1.1"

_ABOUT: Final = """\
tidings takes messages (text messages, webhooks, e-mail, log lines) now or for a later time, and delivers each one on
time, once, with bounded retries.

**Who asks** is shown by `Authorization: Bearer` with one of three: the token of a login (`POST /api/v1/tokens`), an API
key (`POST /api/v1/api-keys`), or the operator's `API_KEY`. On a machine of one's own, where there is no `API_KEY` and
are no accounts, nothing is needed.

**Errors** are problem documents (RFC 9457): `detail` says in a sentence what is wrong, `errors` names each field.

**Lists** come in pages: `next_cursor` of one page is the `cursor` of the next.

**Times** are RFC 3339 with an offset, or Unix time in seconds or milliseconds; answers are in UTC.

Below the API's own routes stand those of five older systems, whose clients go on working here: each has its own words
for errors, too.
"""
_SECURITY_SCHEMES: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The token of a login.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "tdg_",
        "description": (
            "An API key, or the operator's `API_KEY`. Each operation names the scope that a key needs: `send`, `read`,"
            " `manage`, or `admin`, which is for accounts and credentials."
        ),
    },
}


class Route(msgspec.Struct, frozen=True):
    """A route, with all that the document says of it."""

    method: str
    path: str
    operation: Operation
    errors: ErrorFormat


class Types:
    """The types of the document: collected once, then looked up."""

    def __init__(self, routes: list[Route]) -> None:
        types = [described for route in routes for described in _types_of(route)]
        schemas, self.components = schemas_of(types)
        self._schemas = list(zip(types, schemas, strict=True))

    def schema(self, wanted: Any) -> Schema:
        """The schema of a type of a route."""
        return next(schema for known, schema in self._schemas if known is wanted or known == wanted)


class Document:
    """What `/openapi.json` shows. Raises UndocumentedError for a route that declares nothing."""

    def __init__(self, router: web.UrlDispatcher) -> None:
        check(router)
        self._router = router

    def encode(self) -> bytes:
        return self._encoded

    @cached_property
    def _encoded(self) -> bytes:
        return msgspec.json.encode(self.content)

    @cached_property
    def content(self) -> dict[str, Any]:
        """The document; made on the first request."""
        routes = list(_routes(self._router))
        types = Types(routes)
        paths: dict[str, dict[str, Any]] = defaultdict(dict)
        for route in routes:
            paths[route.path][route.method.lower()] = _operation(route, types)
        return {
            "openapi": VERSION,
            "info": {
                "title": "tidings",
                "version": API_VERSION,
                "description": _ABOUT,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/"}],
            "tags": [{"name": tag.name, "description": tag.description} for tag in _tags(routes)],
            "paths": paths,
            "components": {"schemas": types.components, "securitySchemes": _SECURITY_SCHEMES},
        }


DOCUMENT: Final = web.AppKey("document", Document)


def _routes(router: web.UrlDispatcher) -> Iterator[Route]:
    for route in router.routes():
        declared = operation_of(route.handler)
        # A GET brings a HEAD with it, which needs no entry of its own.
        if declared is not None and route.resource is not None and route.method != hdrs.METH_HEAD:
            path = route.resource.canonical
            yield Route(route.method, path, declared, error_format_on(path))


def _tags(routes: list[Route]) -> list[Tag]:
    return list(dict.fromkeys(route.operation.tag for route in routes))


def _types_of(route: Route) -> Iterator[Any]:
    if isinstance(route.operation.body, Body):
        yield route.operation.body.described_as
    yield from (parameter.type for parameter in route.operation.parameters)
    yield from (answer.type for answer in route.operation.answers.values() if answer.type is not None)
    yield route.errors.type


def _operation(route: Route, types: Types) -> dict[str, Any]:
    declared = route.operation
    entry: dict[str, Any] = {
        "tags": [declared.tag.name],
        "operationId": declared.name,
        "summary": declared.summary,
        "security": _security(declared),
        "responses": {**_failures(route, types), **_answers(declared.answers, types)},
    }
    if declared.description:
        entry["description"] = declared.description
    if declared.parameters:
        entry["parameters"] = [_parameter(parameter, types) for parameter in declared.parameters]
    if declared.body is not None:
        entry["requestBody"] = _body(declared.body, types)
    entry["responses"] = dict(sorted(entry["responses"].items()))
    return entry


def _security(declared: Operation) -> list[dict[str, list[str]]]:
    """The schemes; that of API keys with the scope, as OpenAPI 3.1 has it for roles that a credential needs."""
    if declared.access is Access.EVERYBODY:
        return []
    needed = {"apiKey": [] if declared.needs.scope is None else [declared.needs.scope.value]}
    return [{name: needed.get(name, [])} for name in _SECURITY_SCHEMES]


def _parameter(parameter: Parameter, types: Types) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.description,
        "schema": types.schema(parameter.type),
        "example": msgspec.to_builtins(parameter.example),
    }


def _body(body: Body | RawBody, types: Types) -> dict[str, Any]:
    examples = {name: {"value": value} for name, value in body.examples.items()}
    if isinstance(body, RawBody):
        content = {"schema": {"type": "string"}, "examples": examples}
        return {"required": True, "content": dict.fromkeys(body.media_types, content)}
    return {"required": True, "content": {JSON: {"schema": types.schema(body.described_as), "examples": examples}}}


def _answers(answers: Answers, types: Types) -> dict[str, Any]:
    return {str(int(status)): _answer(answer, types) for status, answer in answers.items()}


def _answer(answer: Answer, types: Types) -> dict[str, Any]:
    shown = {"example": msgspec.to_builtins(answer.example)}
    if answer.type is not None:
        shown["schema"] = types.schema(answer.type)
    content = {answer.media_type: shown, **{other: {"schema": {"type": "string"}} for other in answer.also}}
    return _with_headers({"description": answer.description, "content": content}, answer.headers)


def _failures(route: Route, types: Types) -> dict[str, Any]:
    """The errors of a route, each with an example of every cause."""
    errors, path = route.errors, _example_path(route)
    details_of: dict[HTTPStatus, list[str]] = defaultdict(list)
    for status, details in failures(route.operation, route.method).items():
        for detail in details:
            details_of[HTTPStatus(status_of(errors.statuses, status, detail))].append(detail)
    answers = {}
    for status, details in details_of.items():
        examples = {detail: {"value": msgspec.to_builtins(errors.example(status, detail, path))} for detail in details}
        content = {errors.media_type: {"schema": types.schema(errors.type), "examples": examples}}
        answers[str(int(status))] = _with_headers(
            {"description": status.phrase, "content": content}, HEADERS.get(status, {})
        )
    return answers


def _with_headers(answer: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    if headers:
        answer["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        }
    return answer


def _example_path(route: Route) -> str:
    path = route.path
    for parameter in route.operation.parameters:
        path = path.replace(f"{{{parameter.name}}}", str(parameter.example))
    return path
