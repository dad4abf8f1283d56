"""The API's own document, to hold answers against: what it does not tell of must not be answered."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import jsonschema_rs

from api.app import create_app
from api.openapi.document import DOCUMENT
from tidings.settings import Settings

JSON = re.compile(r"application/(.+\+)?json")


class Described(NamedTuple):
    """A route as the document has it."""

    method: str
    path: re.Pattern[str]
    operation: dict[str, Any]


def check(method: str, path: str, status: int, content_type: str, body: Any) -> None:
    """Fails where a documented route answers with a status, a type or JSON that the document does not name for it.

    Paths and methods that it does not know are nobody's: whoever asks for them is told so, and by no route.
    """
    found = next((each for each in _routes() if each.method == method and each.path.fullmatch(path)), None)
    if found is None:
        return
    name = f"{method} {path}"
    answers = found.operation["responses"]
    assert str(status) in answers, f"{name}: {status} is not among {', '.join(answers)}: {body}"
    content = answers[str(status)]["content"]
    assert content_type in content, f"{name}: {status} with {content_type}"
    if JSON.fullmatch(content_type):
        place = f"{found.operation['operationId']} {status} {content_type}"
        error = next(_validator(place).iter_errors(body), None)
        assert error is None, f"{name}: {status}: {error}"


@cache
def document() -> dict[str, Any]:
    """The document of the application."""
    return create_app(Settings())[DOCUMENT].content


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of every route."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """For a schema of the document, which may refer to its components."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": document()["components"]}, validate_formats=True)


@cache
def _routes() -> list[Described]:
    # A path without variables comes first, as in the router.
    found = [
        Described(method, re.compile(re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(path))), operation)
        for method, path, operation in operations()
    ]
    return sorted(found, key=lambda each: "+" in each.path.pattern)


@cache
def _validator(place: str) -> jsonschema_rs.Draft202012Validator:
    name, status, content_type = place.split()
    operation = next(each.operation for each in _routes() if each.operation["operationId"] == name)
    return validator(operation["responses"][status]["content"][content_type]["schema"])
