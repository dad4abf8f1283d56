"""Logging of every process: readable lines with colours on a terminal, one JSON object a line elsewhere.

All of it goes to standard error, whether it was logged through structlog or through the standard library (arq, asyncpg,
aiohttp), and every line names the process it came from, the consumer where it is one, the message and the batch that
are being delivered, and the trace where one is made. Secrets never get in: values under names of secrets, and passwords
in URIs, are redacted as a last step; tracebacks show no local variables.
"""

import json
import logging
import os
import re
import sys
from contextvars import ContextVar
from typing import Any, Final, TextIO
from uuid import UUID

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from tidings.observability import tracing

SECRET_NAMES: Final = re.compile(r"passw|secret|token|authorization|auth_key|api_key|_uri$|cookie", re.IGNORECASE)
URI_PASSWORD: Final = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@]+(?=@)", re.IGNORECASE)
REDACTED: Final = "…"

_MARKS: Final = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
_UNSEEN: Final = re.compile(rf"[\x00-\x08\x0b-\x1f{_MARKS}]")
"""Control characters, C1 too, which some terminals obey, and marks that turn the direction of a line."""
_UNSEEN_IN_A_LINE: Final = re.compile(rf"[\x00-\x1f{_MARKS}]")

delivering: ContextVar[tuple[UUID, UUID]] = ContextVar("delivering")
"""The message and the batch that the present task delivers: on all that is logged meanwhile, by any library."""

QUIETER: Final = {
    # It says at INFO what every job was called and returned; an attempt is on record in Postgres anyway.
    "arq.worker": logging.WARNING,
    "asyncio": logging.WARNING,
}


def configure_logging(process: str, level: str, *, consumer: str | None = None, stream: TextIO | None = None) -> None:
    """Routes all logging of this process to `stream`, which is standard error unless said otherwise.

    `process` (api, producer, …) is on every line, and so is the name of a consumer. May be called again, which replaces
    what was there.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_process(process, consumer),
        _name_delivery,
        _name_trace,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # Not cached: tests and `tidings up` configure more than once.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                redact_secrets,
                *(_for_people() if terminal else _for_machines()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, quiet in QUIETER.items():
        logging.getLogger(name).setLevel(max(quiet, root.level))
    logging.captureWarnings(capture=True)


def redact_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Redacts what stands under the name of a secret, and every password in a URI, however deep."""
    return {
        name: REDACTED if value and SECRET_NAMES.search(str(name)) else _redacted(value)
        for name, value in event.items()
    }


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return URI_PASSWORD.sub(rf"\g<before>{REDACTED}", value) if "://" in value else value
    if isinstance(value, dict):
        return redact_secrets(None, "", value)
    if isinstance(value, list | tuple):
        return [_redacted(each) for each in value]
    if isinstance(value, BaseException):
        return _redacted(repr(value))
    return value


def _name_process(process: str, consumer: str | None) -> Processor:
    named = {"process": process} if consumer is None else {"process": process, "consumer": consumer}

    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        # Asked again: a fork has another id.
        return {**named, "pid": os.getpid(), **event}

    return add


def _name_delivery(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    found = delivering.get(None)
    return event if found is None else {"message": str(found[0]), "batch": str(found[1]), **event}


def _name_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    spans = tracing.spans()
    return event if spans is None else {**event, **spans.ids()}


def _for_machines() -> list[Processor]:
    def encode(event: object, **_: object) -> str:
        try:
            text = msgspec.json.encode(event, enc_hook=repr).decode()
        except UnicodeEncodeError:
            # Half a character, as Python keeps of bytes that are no text.
            text = json.dumps(event, default=repr)
        return _UNSEEN.sub(_escaped, text)

    return [_telling_fields_first, structlog.processors.JSONRenderer(serializer=encode)]


def _telling_fields_first(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    first = {
        name: event[name] for name in ("timestamp", "level", "process", "consumer", "pid", "event") if name in event
    }
    return {**first, **event}


def _for_people() -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors="NO_COLOR" not in os.environ, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )
    return [_process_first, _readable, renderer]


def _readable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Nothing that a stranger wrote moves the cursor, turns the line around or makes another one."""
    return {name: _shown(value, lines=name in {"exception", "stack"}) for name, value in event.items()}


def _shown(value: Any, *, lines: bool = False) -> Any:
    if isinstance(value, str):
        shown = (_UNSEEN if lines else _UNSEEN_IN_A_LINE).sub(_escaped, value)
        return shown.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_shown(name): _shown(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return value


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _process_first(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Puts the process before the event, where the eye looks for it, and drops what only a machine reads."""
    event.pop("pid", None)
    event.pop("logger", None)
    event["event"] = f"{event.pop('process', '')}: {event.get('event', '')}"
    return event
