"""What every process shows, and the small server that shows it."""

import asyncio
import socket

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tidings.domain.errors import SettingsError
from tidings.observability import metrics
from tidings.observability.metrics import MetricsServer, Registry
from tidings.settings import Settings


async def values(registry: Registry) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels."""
    body = (await registry.exposition()).body
    assert isinstance(body, bytes)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def test_a_process_shows_what_it_is_and_what_it_uses() -> None:
    seen = await values(Registry("producer", name="here"))
    assert any(name[0] == "tidings_process_info" and {"producer", "here"} <= set(name) for name in seen)
    assert seen["process_resident_memory_bytes",] > 1e6
    assert not any(name.endswith("_created") for name, *_ in seen)


async def test_a_store_is_up_while_it_responds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "PATIENCE_SECONDS", 0.05)
    answers = True

    async def postgres() -> None:
        if not answers:
            raise ConnectionRefusedError

    async def redis() -> None:
        if not answers:
            await asyncio.Event().wait()

    registry = Registry("producer", name="here")
    registry.watch_stores({"postgres": postgres, "redis": redis})
    seen = await values(registry)
    assert (seen["tidings_store_up", "postgres"], seen["tidings_store_up", "redis"]) == (1, 1)
    answers = False
    seen = await values(registry)
    assert (seen["tidings_store_up", "postgres"], seen["tidings_store_up", "redis"]) == (0, 0)


async def test_it_is_shown_in_the_format_that_is_asked_for() -> None:
    port = free_port()
    server = MetricsServer(Registry("api", name="here"), Settings(metrics_port=port))
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
        server = MetricsServer(Registry("api", name="here"), Settings(metrics_port=port))
        with pytest.raises(
            SettingsError, match=rf"^METRICS_PORT: cannot listen on 127\.0\.0\.1:{port}: address already in use$"
        ):
            await server.start()
        await server.stop()


async def test_port_0_is_none() -> None:
    server = MetricsServer(Registry("api", name="here"), Settings())
    await server.start()
    await server.stop()
