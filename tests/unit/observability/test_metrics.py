"""What every process shows, and the little server that shows it."""

import asyncio
import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tidings.domain.errors import SettingsError
from tidings.observability import metrics
from tidings.observability.metrics import Children, Distribution, Figures, MetricsServer
from tidings.settings import Settings


async def values(figures: Figures) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels."""
    body = (await figures.exposition()).body
    assert isinstance(body, bytes)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def test_a_process_tells_what_it_is_and_what_it_uses() -> None:
    seen = await values(Figures("producer", name="here"))
    assert any(name[0] == "tidings_process_info" and {"producer", "here"} <= set(name) for name in seen)
    assert seen["process_resident_memory_bytes",] > 1e6
    assert not any(name.endswith("_created") for name, *_ in seen)


async def test_a_store_is_up_while_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "PATIENCE_SECONDS", 0.05)
    answers = True

    async def postgres() -> None:
        if not answers:
            raise ConnectionRefusedError

    async def redis() -> None:
        if not answers:
            await asyncio.Event().wait()

    figures = Figures("producer", name="here")
    figures.watch_stores({"postgres": postgres, "redis": redis})
    seen = await values(figures)
    assert (seen["tidings_store_up", "postgres"], seen["tidings_store_up", "redis"]) == (1, 1)
    answers = False
    seen = await values(figures)
    assert (seen["tidings_store_up", "postgres"], seen["tidings_store_up", "redis"]) == (0, 0)


def test_children_are_made_once_and_known_ones_at_once() -> None:
    registry = CollectorRegistry()
    children = Children(Counter("tries", "", ["outcome"], registry=registry), known=[("accepted",)])
    assert registry.get_sample_value("tries_total", {"outcome": "accepted"}) == 0
    assert registry.get_sample_value("tries_total", {"outcome": "retry"}) is None
    children[("retry",)].inc()
    children[("retry",)].inc()
    assert registry.get_sample_value("tries_total", {"outcome": "retry"}) == 2


async def test_it_is_shown_in_the_format_that_is_asked_for() -> None:
    port = free_port()
    server = MetricsServer(Figures("api", name="here"), Settings(metrics_port=port))
    await server.start()
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/metrics") as response:
                assert (response.status, response.content_type) == (200, "text/plain")
                assert "\ntidings_process_info{" in await response.text()
            async with session.get(
                f"{url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
            ) as response:
                assert response.content_type == "application/openmetrics-text"
                assert (await response.text()).endswith("# EOF\n")
            async with session.get(f"{url}/health/live") as response:
                assert (response.status, await response.json()) == (200, {"status": "alive"})
    finally:
        await server.stop()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = MetricsServer(Figures("api", name="here"), Settings(metrics_port=port))
        with pytest.raises(
            SettingsError, match=rf"^METRICS_PORT: cannot listen on 127\.0\.0\.1:{port}: address already in use$"
        ):
            await server.start()
        await server.stop()


async def test_port_0_is_none() -> None:
    server = MetricsServer(Figures("api", name="here"), Settings())
    await server.start()
    await server.stop()


def test_a_distribution_shows_what_a_histogram_shows() -> None:
    bounds = (0.005, 0.25, 1.0)
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    distribution = Distribution("seconds", "How long.", ["channel"], bounds=bounds, registry=ours)
    histogram = Histogram("seconds", "How long.", ["channel"], buckets=bounds, registry=theirs)
    assert generate_latest(ours) == generate_latest(theirs)
    for channel, values in (("echo", [0.0, 0.005, 0.006]), ("sms", [1.0, 1.5, 99.0]), ("echo", [0.25])):
        distribution.observe((channel,), values)
        for value in values:
            histogram.labels(channel).observe(value)
    assert generate_latest(ours) == generate_latest(theirs)
