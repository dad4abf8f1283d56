"""What a handler declares next to its code: who may use it, and its part of the document at `/openapi.json`.

    @operation(
        MESSAGES,
        access=Access.MEMBERS,
        scope=Scope.SEND,
        body=Body(_decoder, {"a text message": {"channel": "sms", "recipient": "+905551111111", "content": "Hello"}}),
        answers={HTTPStatus.CREATED: Answer("It is kept.", MessageAnswer, examples.MESSAGE)},
        errors={HTTPStatus.CONFLICT: "it was sent already"},
    )
    async def create(request: web.Request) -> web.Response:
        \"\"\"Keeps one message.

        Answered when it is committed.
        \"\"\"

The first line of the docstring is the summary, what follows is the description. Errors that come with a credential, a
body or parameters (400, 401, 403, 413, 415, 422, 503) are added by `api.openapi.failures`. The
declared access is enforced by `api.http.auth`. A handler that declares nothing cannot be routed: `check` refuses it
when the application is made.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final, Literal, TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from tidings.domain.api_key import Scope

JSON: Final = "application/json"
MAX_BYTES: Final = 1024**2
"""Of a body, if its operation declares nothing else."""
TEXT: Final = "text/plain"

_VARIABLE: Final = re.compile(r"\{([^{}:]+)[^{}]*\}")

H = TypeVar("H", bound=Handler)


class UndocumentedError(TypeError):
    """A route whose handler declares nothing, or not all; a mistake in the code."""


class Access(Enum):
    """Who may use a route."""

    EVERYBODY = auto()
    """No credential is asked for."""
    MEMBERS = auto()
    """Users with a credential, each for their own."""
    ADMINS = auto()


class Needs(msgspec.Struct, frozen=True):
    """What a client needs to use a route. Raises UndocumentedError where a credential is asked for without a scope."""

    access: Access
    scope: Scope | None = None
    """What an API key has to be for."""
    whole: bool = False
    """Concerns all channels and queues, so a key that is limited to some of them may not use it."""

    def __post_init__(self) -> None:
        if (self.scope is None) != (self.access is Access.EVERYBODY):
            raise UndocumentedError("who may use a route: everybody, or credentials of a scope")


class Tag(msgspec.Struct, frozen=True):
    """The heading under which a route is listed."""

    name: str
    description: str


class Body(msgspec.Struct, frozen=True):
    """A request body: its type is the decoder's."""

    decoder: "msgspec.json.Decoder[Any]"
    examples: Mapping[str, Any]
    """By what each one shows, as the client writes it."""
    type: Any = None
    """The JSON that is meant, where the decoder takes any and the handler checks it itself."""
    max_bytes: int = MAX_BYTES
    """A larger one is refused before it is read."""

    @property
    def described_as(self) -> Any:
        """The type to describe it by."""
        return self.decoder.type if self.type is None else self.type


class RawBody(msgspec.Struct, frozen=True):
    """A request body that is no JSON: read by the handler, as it comes."""

    media_types: Sequence[str]
    examples: Mapping[str, str]


class Parameter(msgspec.Struct, frozen=True):
    """A part of the path, the query or the headers."""

    name: str
    type: Any
    description: str
    example: Any
    where: Literal["path", "query", "header"] = "query"


class Answer(msgspec.Struct, frozen=True):
    """A response: what it means, its type, and an example."""

    description: str
    type: Any
    """None: a stream, which has no schema."""
    example: Any
    headers: Mapping[str, str] = {}
    """What each of its headers says."""
    media_type: str = JSON
    also: Sequence[str] = ()
    """Other media types that a client may ask for."""


Answers = Mapping[HTTPStatus, Answer]
Errors = Mapping[HTTPStatus, str]
"""What is wrong, by status, in the words of the problem's `detail`."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """All that a handler declares."""

    tag: Tag
    summary: str
    description: str
    name: str
    needs: Needs
    parameters: Sequence[Parameter]
    body: Body | RawBody | None
    answers: Answers
    errors: Errors

    @property
    def access(self) -> Access:
        return self.needs.access


_operations: Final[dict[Handler, Operation]] = {}
_pages: Final[dict[Handler, Needs]] = {}


def operation(
    tag: Tag,
    *,
    access: Access,
    scope: Scope | None = None,
    whole: bool = False,
    answers: Answer | Answers,
    body: Body | RawBody | None = None,
    parameters: Iterable[Parameter] = (),
    errors: Errors | None = None,
) -> Callable[[H], H]:
    """Declares a handler of the API. An answer without a status is that of 200."""

    def declared(handler: H) -> H:
        summary, _, description = inspect.cleandoc(handler.__doc__ or "").partition("\n")
        _operations[handler] = Operation(
            tag=tag,
            summary=summary.removesuffix("."),
            description=description.strip(),
            name=f"{_noun(handler.__module__)}_{handler.__name__}",
            needs=Needs(access, scope, whole),
            parameters=tuple(parameters),
            body=body,
            answers={HTTPStatus.OK: answers} if isinstance(answers, Answer) else answers,
            errors=errors or {},
        )
        return handler

    return declared


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    """What handlers of one noun declare alike; called, it is `operation` with what one of them adds."""

    tag: Tag
    access: Access
    scope: Scope
    whole: bool = False
    parameters: Sequence[Parameter] = ()
    errors: Errors = {}

    def __call__(
        self,
        *,
        answers: Answer | Answers,
        body: Body | None = None,
        errors: Errors | None = None,
        scope: Scope | None = None,
        whole: bool = False,
    ) -> Callable[[H], H]:
        """Declares a handler of the API; `scope` takes the place of that of its noun."""
        return operation(
            self.tag,
            access=self.access,
            scope=scope or self.scope,
            whole=whole or self.whole,
            parameters=self.parameters,
            body=body,
            answers=answers,
            errors={**self.errors, **(errors or {})},
        )


def page(*, access: Access, scope: Scope | None = None) -> Callable[[H], H]:
    """Declares a handler for browsers, which is no part of the document."""

    def declared(handler: H) -> H:
        _pages[handler] = Needs(access, scope)
        return handler

    return declared


def operation_of(handler: Handler) -> Operation | None:
    """What the handler declares; None for pages. Raises UndocumentedError."""
    if handler in _pages:
        return None
    found = _operations.get(handler)
    if found is None or not found.summary:
        raise UndocumentedError(f"{handler!r} needs @operation or @page (api/openapi/operation.py), and a docstring")
    return found


def max_bytes_of(handler: Handler) -> int:
    """How large a JSON body for the handler may be, in bytes."""
    found = _operations.get(handler)
    return found.body.max_bytes if found is not None and isinstance(found.body, Body) else MAX_BYTES


def needs_of(handler: Handler) -> Needs:
    """Who may use the handler, as it declares. Raises UndocumentedError where it declares nothing."""
    declared = operation_of(handler)
    return _pages[handler] if declared is None else declared.needs


def check(router: web.UrlDispatcher) -> None:
    """Raises UndocumentedError where a route declares nothing, or not the parts of its path."""
    for route in router.routes():
        found = operation_of(route.handler)
        if found is None or route.resource is None:
            continue
        path = route.resource.canonical
        named = {parameter.name for parameter in found.parameters if parameter.where == "path"}
        if named != set(variables(path)):
            raise UndocumentedError(f"{route.method} {path}: its operation has to name its path parameters, no others")


def variables(path: str) -> list[str]:
    """The names of the variable parts of a path."""
    return _VARIABLE.findall(path)


def _noun(module: str) -> str:
    """What a module of handlers is about: its name, or its room's where it is just `routes`."""
    return module.removesuffix(".routes").rpartition(".")[2].removesuffix("_routes")
