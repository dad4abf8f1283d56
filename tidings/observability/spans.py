"""Spans by OpenTelemetry: a request, a claim, an attempt. Imported only where traces are made.

Names and attributes follow the semantic conventions for HTTP servers and messaging; what those have no word for begins
with `tidings.`. Never a recipient, a content or a credential.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import Final, Self
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tidings import __version__
from tidings.domain.message import Delivery
from tidings.domain.states import AttemptOutcome

LAST_SECONDS: Final = 5.0
"""How long the end of a process waits for a collector that does not take its last spans."""

CONTEXT_HEADERS: Final = frozenset({"traceparent", "tracestate"})

_propagator: Final = TraceContextTextMapPropagator()
_claimed: ContextVar[UUID | None] = ContextVar("claimed", default=None)
"""The batch whose span is being made."""


class Spans:
    """Makes the spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("tidings", __version__)

    @classmethod
    def exporting(cls, process: str, *, name: str, endpoint: str) -> Self:
        """Sends spans to a collector by OTLP over HTTP, from a thread of its own; what the collector misses is lost."""
        provider = new_provider(process, name)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider)

    @contextmanager
    def request(self, method: str, route: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """A request from its head to its answer; part of the client's trace where it sent one along."""
        context = _propagator.extract({name.lower(): value for name, value in headers.items()}, Context())
        attributes = {"http.request.method": method, "http.route": route}
        with (
            self._tracer.start_as_current_span(
                f"{method} {route}",
                context=context,
                kind=SpanKind.SERVER,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            _marked(span),
        ):
            yield span

    def stamp(self, headers: dict[str, str] | None) -> dict[str, str] | None:
        """Headers with the present context, unless they have one or there is none."""
        if headers is not None and any(name.lower() in CONTEXT_HEADERS for name in headers):
            return headers
        context: dict[str, str] = {}
        _propagator.inject(context)
        return {**(headers or {}), **context} if context else headers

    def claimed(self, batch_id: UUID, *, size: int, consumer: str) -> None:
        """A claim that has just ended: it began when its batch was given its id, a UUIDv7."""
        token = _claimed.set(batch_id)
        try:
            span = self._tracer.start_span(
                "claim",
                context=Context(),
                kind=SpanKind.PRODUCER,
                start_time=(batch_id.int >> 80) * 1_000_000,
                attributes={
                    "messaging.system": "tidings",
                    "messaging.operation.name": "claim",
                    "messaging.operation.type": "send",
                    "messaging.batch.message_count": size,
                    "tidings.batch.id": str(batch_id),
                    "tidings.consumer": consumer,
                },
            )
        finally:
            _claimed.reset(token)
        span.end()

    @contextmanager
    def delivering(self, delivery: Delivery) -> Iterator[tuple[Span, dict[str, str]]]:
        """One attempt, and the headers that the message has in it: its own, with the context of this span."""
        headers = delivery.headers or {}
        carried = {name.lower(): value for name, value in headers.items() if name.lower() in CONTEXT_HEADERS}
        with self._tracer.start_as_current_span(
            f"deliver {delivery.channel}",
            context=_propagator.extract(carried, Context()),
            kind=SpanKind.CONSUMER,
            links=[Link(claim_context(delivery.batch_id))],
            attributes={
                "messaging.system": "tidings",
                "messaging.operation.name": "deliver",
                "messaging.operation.type": "process",
                "messaging.destination.name": delivery.queue,
                "messaging.message.id": str(delivery.id),
                "tidings.batch.id": str(delivery.batch_id),
                "tidings.channel": delivery.channel,
                "tidings.try": delivery.tries + 1,
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            own = {name: value for name, value in headers.items() if name.lower() not in CONTEXT_HEADERS}
            _propagator.inject(own)
            with _marked(span):
                yield span, own

    def conclude(self, span: Span, outcome: AttemptOutcome, status_code: int | None) -> None:
        """Records how an attempt ended, without the receiver's text, which may name the recipient."""
        span.set_attribute("tidings.outcome", outcome.value)
        if status_code is not None:
            span.set_attribute("tidings.status_code", status_code)
        if outcome is not AttemptOutcome.ACCEPTED:
            span.set_status(Status(StatusCode.ERROR))

    def ids(self) -> dict[str, str]:
        """The ids of the trace and the span that the caller is in, for its log lines."""
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}

    def close(self) -> None:
        """Sends the last spans. In a thread, since the exporter may try for half a minute."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(LAST_SECONDS)


class BatchIds(RandomIdGenerator):
    """Gives a claim's span the ids that `claim_context` returns, so that consumers need not be sent them."""

    def generate_trace_id(self) -> int:
        batch_id = _claimed.get()
        return super().generate_trace_id() if batch_id is None else claim_context(batch_id).trace_id

    def generate_span_id(self) -> int:
        batch_id = _claimed.get()
        return super().generate_span_id() if batch_id is None else claim_context(batch_id).span_id


@contextmanager
def _marked(span: Span) -> Iterator[None]:
    """Records the kind of an exception that goes through. Not its text, which may hold anything: that is in the log."""
    try:
        yield
    except Exception as error:
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(Status(StatusCode.ERROR))
        raise


def new_provider(process: str, name: str) -> TracerProvider:
    """A provider that exports nothing yet. OTEL_TRACES_SAMPLER decides what is sampled."""
    resource = Resource.create(
        {"service.name": f"tidings-{process}", "service.instance.id": name, "service.version": __version__}
    )
    return TracerProvider(resource=resource, id_generator=BatchIds(), shutdown_on_exit=False)


def claim_context(batch_id: UUID) -> SpanContext:
    """The context of a batch's claim. Hashed, since samplers take the bits of a trace id for random ones."""
    digest = blake2b(batch_id.bytes, digest_size=24).digest()
    return SpanContext(
        trace_id=int.from_bytes(digest[:16]),
        span_id=int.from_bytes(digest[16:]),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
