"""Error formats: problem documents (RFC 9457), or on the paths of an older system its own."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from api.compat.system import Problem, System
from api.compat.systems import SYSTEMS
from api.http import problems
from api.openapi.operation import JSON


class ErrorFormat(msgspec.Struct, frozen=True):
    """How errors are answered on some paths."""

    type: Any
    media_type: str
    statuses: Mapping[int, int]
    """Where a status is another one here."""
    example: Callable[[int, str, str], Any]
    """An error with a status, a detail and the path where it occurred."""


def error_format_on(path: str) -> ErrorFormat:
    """The format of the system whose path it is, or else the API's own."""
    system = next((system for system in SYSTEMS if system.paths.fullmatch(path)), None)
    return _OWN if system is None else _format_of(system)


def _format_of(system: System) -> ErrorFormat:
    def example(status: int, detail: str, _path: str) -> Any:
        response = system.respond(Problem(status=status, detail=detail))
        return msgspec.json.decode(response.body) if response.content_type == JSON else response.text  # type: ignore[arg-type]

    media_type = system.respond(Problem(status=400, detail="")).content_type
    return ErrorFormat(type=system.error, media_type=media_type, statuses=system.statuses, example=example)


_OWN: Final = ErrorFormat(type=problems.Problem, media_type=problems.MEDIA_TYPE, statuses={}, example=problems.document)
