"""One trace from the request to the delivery, over three processes, as a collector receives it."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.system import System
from tests.eventually import eventually
from tidings.settings import Settings

CLIENT_TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT_SPAN = "b7ad6b7169203331"


class Collector:
    """Receives spans by OTLP over HTTP; knows which service made each."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scope.spans]
        return web.Response()

    async def until(self, service: str, *names: str) -> list[Span]:
        """Waits for that many spans of these names, and answers them in their order."""

        async def look() -> list[Span]:
            found = [next((s for made, s in self.spans if (made, s.name) == (service, name)), None) for name in names]
            return [span for span in found if span is not None] if None not in found else []

        return await eventually(look)


@asynccontextmanager
async def serving(path: str, handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post(path, handler)
    async with TestServer(app) as server:
        yield str(server.make_url(path))


def attributes(span: Span) -> dict[str, str | int]:
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


@pytest.fixture
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    received = Collector()
    async with serving("/v1/traces", received.receive) as url:
        yield received, url.removesuffix("/v1/traces")


async def test_one_trace_from_the_request_to_the_receiver(
    settings: Settings, tmp_path: Path, collector: tuple[Collector, str]
) -> None:
    received, endpoint = collector
    at_receiver: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        at_receiver.put_nowait(dict(request.headers))
        return web.Response()

    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    async with serving("/hook", take) as hook, System(settings, tmp_path, LOG_LEVEL="DEBUG", **tracing) as system:
        await system.start_all(consumers=1)
        system.http.headers["traceparent"] = f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"
        message_id = await system.post(channel="webhook", recipient=hook, content="x")
        headers = await at_receiver.get()

        [request] = await received.until("tidings-api", "POST /api/v1/messages")
        [claim] = await received.until("tidings-producer", "claim")
        [delivery] = await received.until("tidings-consumer", "deliver webhook")

        assert request.trace_id.hex() == delivery.trace_id.hex() == CLIENT_TRACE
        assert request.parent_span_id.hex() == CLIENT_SPAN
        assert delivery.parent_span_id == request.span_id
        assert attributes(request)["http.response.status_code"] == 201

        # The receiver's own spans come under the attempt.
        assert headers["traceparent"] == f"00-{CLIENT_TRACE}-{delivery.span_id.hex()}-01"

        [link] = delivery.links
        assert (link.trace_id, link.span_id) == (claim.trace_id, claim.span_id)
        assert claim.trace_id != request.trace_id
        assert request.start_time_unix_nano // 1_000_000 <= claim.start_time_unix_nano // 1_000_000
        assert claim.start_time_unix_nano < claim.end_time_unix_nano
        told = attributes(delivery)
        assert told["messaging.message.id"] == message_id
        assert told["tidings.outcome"] == "accepted"
        assert told["tidings.batch.id"] == attributes(claim)["tidings.batch.id"]
        assert attributes(claim)["messaging.batch.message_count"] == 1
        assert hook not in str(delivery)
        await system.until_status(message_id, "sent")


async def test_the_last_spans_are_sent_at_a_stop(
    settings: Settings, tmp_path: Path, collector: tuple[Collector, str]
) -> None:
    received, endpoint = collector
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    async with System(settings, tmp_path, **tracing) as system:
        api = await system.start_api()
        await system.post(channel="echo", recipient="x", content="x")
        await system.call("GET", "/health/live")
        assert received.spans == []
        assert await api.stop() == 0
        assert [span.name for _, span in received.spans] == ["POST /api/v1/messages"]
