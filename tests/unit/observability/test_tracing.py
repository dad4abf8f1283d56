"""Traces: nothing of them where nobody asked, and what travels where somebody did."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from tests.factories import new_delivery
from tests.unit.channels.doubles import answer, context
from tidings.channels.base import Accepted, Channel, ChannelContext, Rejected, Result
from tidings.channels.recipient import EndpointKey
from tidings.channels.smtp.mail import compose
from tidings.channels.traced import TracedChannel
from tidings.domain.errors import SettingsError
from tidings.domain.ids import new_id
from tidings.domain.mail_parts import Mailbox
from tidings.domain.message import Delivery
from tidings.domain.timestamps import utc_now
from tidings.observability import tracing
from tidings.observability.spans import Spans, claim_context, new_provider
from tidings.settings import Settings

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(exported: InMemorySpanExporter) -> Iterator[Spans]:
    provider = new_provider("test", "me")
    provider.add_span_processor(SimpleSpanProcessor(exported))
    made = Spans(provider)
    yield made
    made.close()


def test_where_nobody_traces_nothing_of_it_is_imported() -> None:
    rooms = "import sys, tidings.runtime.process, api.app, producer.service, consumers.consumer; "
    check = "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", rooms + check], check=False).returncode == 0
    tracing.start("api", Settings())
    assert tracing.spans() is None
    headers = {"x": "y"}
    assert tracing.stamped(headers) is headers
    assert tracing.stamped(None) is None


def test_without_the_extra_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tidings.observability.spans", None)
    with pytest.raises(SettingsError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT.*tidings\[otel\]"):
        tracing.start("api", Settings(otel_exporter_otlp_endpoint="http://collector:4318"))
    assert tracing.spans() is None


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        tracing.start("api", Settings(otel_exporter_otlp_endpoint="collector:4318"))


def test_a_message_is_stamped_with_the_request_that_brings_it(spans: Spans, exported: InMemorySpanExporter) -> None:
    with spans.request("POST", "/api/v1/messages", {"Traceparent": PARENT}):
        stamped = spans.stamp(None)
        own = spans.stamp({"X-Mine": "1"})
        kept = spans.stamp({"TraceParent": "mine"})
    [request] = exported.get_finished_spans()
    assert request.kind is SpanKind.SERVER
    assert request.context is not None
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    here = f"00-0af7651916cd43dd8448eb211c80319c-{request.context.span_id:016x}-01"
    assert stamped == {"traceparent": here}
    assert own == {"X-Mine": "1", "traceparent": here}
    assert kept == {"TraceParent": "mine"}


def test_outside_of_a_request_a_message_stays_as_it_is(spans: Spans) -> None:
    assert spans.stamp(None) is None


def test_the_span_of_a_claim_is_known_from_its_batch(spans: Spans, exported: InMemorySpanExporter) -> None:
    batch_id = new_id()
    with spans.request("GET", "/", {}):
        spans.claimed(batch_id, size=7, consumer="c1")
    claim, request = exported.get_finished_spans()
    assert claim.context is not None
    expected = claim_context(batch_id)
    assert (claim.context.trace_id, claim.context.span_id) == (expected.trace_id, expected.span_id)
    assert claim.parent is None
    assert claim.start_time == (batch_id.int >> 80) * 1_000_000
    assert request.context is not None
    assert request.context.trace_id != claim.context.trace_id


class Heard(Channel):
    """Keeps what it is given, and answers what it is told to."""

    def __init__(self, context: ChannelContext, *answers: Result | Exception) -> None:
        super().__init__(context)
        self.given: list[Delivery] = []
        self.answers = list(answers)

    @property
    def places_per_destination(self) -> int | None:
        return 3

    def destination(self, delivery: Delivery) -> str:
        return delivery.recipient

    def endpoint(self, delivery: Delivery) -> EndpointKey:
        return EndpointKey("line", delivery.user_id)

    @property
    def time_limit(self) -> float:
        return 7

    async def deliver(self, delivery: Delivery) -> Result:
        self.given.append(delivery)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_try_is_part_of_the_messages_trace(spans: Spans, exported: InMemorySpanExporter) -> None:
    channel = Heard(
        context(answer(200))[0], Accepted(status_code=202), Rejected(error="no such +4915112345678", status_code=404)
    )
    traced = TracedChannel(channel, spans)
    delivery = new_delivery(headers={"X-Mine": "1", "Traceparent": PARENT}, recipient="+4915112345678")
    assert traced.destination(delivery) == "+4915112345678"
    assert traced.endpoint(delivery) == channel.endpoint(delivery) == EndpointKey("line", delivery.user_id)
    assert traced.places_per_destination == 3
    assert traced.time_limit == 7
    assert isinstance(await traced.deliver(delivery), Accepted)
    assert isinstance(await traced.deliver(delivery), Rejected)
    accepted, rejected = exported.get_finished_spans()
    assert accepted.context is not None
    assert f"{accepted.context.trace_id:032x}" in PARENT
    given = f"00-{accepted.context.trace_id:032x}-{accepted.context.span_id:016x}-01"
    assert channel.given[0].headers == {"X-Mine": "1", "traceparent": given}
    assert accepted.attributes is not None
    assert accepted.attributes["tidings.outcome"] == "accepted"
    assert [link.context.trace_id for link in accepted.links] == [claim_context(delivery.batch_id).trace_id]
    assert accepted.status.is_ok
    assert not rejected.status.is_ok
    # Recipients are nobody's business but the store's.
    assert "+4915112345678" not in rejected.to_json()


async def test_a_channel_that_fails_fails_as_before(spans: Spans, exported: InMemorySpanExporter) -> None:
    traced = TracedChannel(Heard(context(answer(200))[0], RuntimeError("a defect of somebody@example.com")), spans)
    with pytest.raises(RuntimeError, match="a defect"):
        await traced.deliver(new_delivery())
    [span] = exported.get_finished_spans()
    assert not span.status.is_ok
    assert span.attributes is not None
    assert span.attributes["error.type"] == "RuntimeError"
    assert "somebody" not in span.to_json()


def test_log_lines_name_the_trace_that_they_are_written_in(spans: Spans) -> None:
    assert spans.ids() == {}
    with spans.request("GET", "/", {"traceparent": PARENT}) as span:
        assert spans.ids() == {
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": f"{span.get_span_context().span_id:016x}",
        }


def test_a_mail_carries_no_context() -> None:
    delivery = new_delivery(
        recipient="a@example.com", headers={"X-Mine": "1", "Traceparent": PARENT, "tracestate": "a=b"}
    )
    mail = compose(delivery, sender=Mailbox(email="b@example.com"), now=utc_now())
    assert b"X-Mine" in mail.data
    assert b"trace" not in mail.data.lower()
