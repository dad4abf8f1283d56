"""Traces, where OTEL_EXPORTER_OTLP_ENDPOINT says where they go; elsewhere nothing of them is even imported.

One trace leads from the request that brought a message to every attempt. Between the processes the context travels in
the message itself, as the header `traceparent` (W3C Trace Context), so it survives whatever the message survives and
costs no column where nothing is traced. A message that comes with such a header keeps it. A webhook carries it on, with
the span of the attempt in it; a mail does not.

A claim takes messages of many traces, so it is a trace of its own, to which the deliveries of its batch link.
"""

import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tidings.domain.errors import SettingsError
from tidings.settings import Settings

if TYPE_CHECKING:
    from tidings.observability.spans import Spans

EXTRA: Final = "tidings[otel]"

_spans: "Spans | None" = None


def start(process: str, settings: Settings) -> None:
    """Traces from now on, where it is set so. Raises SettingsError where it cannot."""
    global _spans  # noqa: PLW0603  one for each process, which is what is traced
    endpoint = settings.otel_exporter_otlp_endpoint
    if not endpoint:
        return
    if urlsplit(endpoint).scheme not in {"http", "https"}:
        raise SettingsError("OTEL_EXPORTER_OTLP_ENDPOINT: must begin with http:// or https://")
    try:
        from tidings.observability.spans import Spans  # noqa: PLC0415  an extra, which takes a quarter of a second
    except ImportError as error:
        raise SettingsError(f"OTEL_EXPORTER_OTLP_ENDPOINT: traces need {EXTRA}, which is not installed") from error
    name = settings.consumer_name if process == "consumer" else socket.gethostname()
    _spans = Spans.exporting(process, name=name, endpoint=endpoint)


def stop() -> None:
    """Sends what was not sent yet, for a few seconds at the most, and traces no more."""
    global _spans
    if _spans is not None:
        spans, _spans = _spans, None
        spans.close()


def spans() -> "Spans | None":
    """What makes spans; None where nothing is traced."""
    return _spans


def stamped(headers: dict[str, str] | None) -> dict[str, str] | None:
    """The headers of a new message, with the context of the request that brings it."""
    return headers if _spans is None else _spans.stamp(headers)
