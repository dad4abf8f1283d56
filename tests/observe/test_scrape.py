"""A real Prometheus, with the configuration of compose, on a running `tidings up`: every metric that a dashboard, an
alert or docs/metrics.md names is there, and every expression can be asked."""

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from random import randrange
from typing import Any, TypeAlias

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.test_up import QUIET, data_dir, up
from tests.eventually import eventually
from tests.observe.expressions import COMPOSE, RULES, alerts, asked_of_prometheus, metrics_in
from tidings.cli.client import ApiClient
from tidings.domain.timestamps import utc_now

__all__ = ["data_dir"]

Kind: TypeAlias = tuple[str, set[str]]
"""Of a metric: its type and its labels."""

PROMETHEUS = shutil.which("prometheus")
DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
SECTIONS = {"api": "The API", "producer": "The producer", "consumers": "Consumers"}
MADE_BY_PROMETHEUS = {"up", "ALERTS"}

COUNTED = {
    'sum(tidings_deliveries_total{channel="sms", outcome="accepted"})': 15,
    'sum(tidings_deliveries_total{channel="webhook", outcome="retry"})': 1,
    'sum(tidings_messages_cancelled_total{reason="exhausted"})': 1,
    "sum(tidings_lateness_seconds_count)": 16,
    "sum(tidings_delivery_seconds_count)": 16,
    "sum(tidings_messages_pushed_total)": 16,
    "sum(tidings_messages_accepted_total)": 17,
    'max(tidings_messages_waiting{queue="default"})': 1,
    'max(tidings_messages_due{queue="default"})': 0,
    "max(tidings_producer_up)": 1,
    "max(tidings_consumers_up)": 1,
    "min(tidings_store_up)": 1,
    "count(up == 1)": 4,
}
"""What comes of fifteen samples, a message that nobody takes and has one attempt, and one for tomorrow."""

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian: prometheus)")


def free_row(count: int) -> int:
    """The first of so many free ports in a row, below those that the system gives out."""
    while True:
        first = randrange(20_000, 32_000)
        with ExitStack() as held, suppress(OSError):
            for port in range(first, first + count):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def get(self, path: str, **parameters: str) -> Any:
        async with self._session.get(f"{self._url}/api/v1/{path}", params=parameters) as response:
            answer = await response.json()
        assert answer["status"] == "success", (path, parameters, answer)
        return answer["data"]

    async def value(self, expression: str) -> float | None:
        result = (await self.get("query", query=expression))["result"]
        return float(result[0]["value"][1]) if result else None

    async def names(self) -> set[str]:
        return set(await self.get("label/__name__/values"))


@asynccontextmanager
async def prometheus(folder: Path, port: int, targets: dict[str, list[int]]) -> AsyncIterator[Prometheus]:
    """The configuration of compose with these ports for its services, and a quicker pulse."""
    config = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "250ms", "evaluation_interval": "250ms"}
    config["rule_files"] = [str(RULES)]
    for job in config["scrape_configs"]:
        [service] = [name for entry in job.pop("dns_sd_configs") for name in entry["names"]]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in targets[service]]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    assert PROMETHEUS is not None
    process = await asyncio.create_subprocess_exec(
        PROMETHEUS,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        said = ""
        while "Server is ready to receive web requests" not in said:
            line = await process.stderr.readline()
            assert line, said
            said += line.decode()
        async with aiohttp.ClientSession() as session:
            yield Prometheus(f"http://127.0.0.1:{port}", session)
    finally:
        process.terminate()
        await process.communicate()


def documented(section: str) -> dict[str, Kind]:
    """Type and labels of each metric in a section of the document."""
    text = DOCUMENT.read_text("utf-8").split(f"## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|(.*?)\| .+ \|$", text, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def together(one: dict[str, Kind], other: dict[str, Kind]) -> dict[str, Kind]:
    """What two processes show; one of them may have had nothing to count, and then shows no labels."""
    return {name: (kind, labels | other[name][1]) for name, (kind, labels) in one.items()}


async def shown(port: int) -> dict[str, Kind]:
    """The same as a process shows it."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        assert response.status == 200
        text = await response.text()
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in text_string_to_metric_families(text)
        if family.name.startswith("tidings_")
    }


@pytest.mark.timeout(120)
async def test_all_that_is_named_is_there(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_row(6)
    monkeypatch.setitem(QUIET, "METRICS_PORT", str(first))
    ports = {"api": [first], "producer": [first + 1], "consumers": [first + 2, first + 3]}
    async with up(data_dir, "--demo") as running, prometheus(tmp_path, first + 4, ports) as prom:
        url = await running.url()
        async with ApiClient(url) as api:
            tomorrow = (utc_now() + timedelta(days=1)).isoformat()
            nobody = {"channel": "webhook", "recipient": f"http://127.0.0.1:{first + 5}/", "content": "x"}
            await api.post("/api/v1/messages", {**nobody, "max_tries": 1})
            await api.post("/api/v1/messages", {**nobody, "due_at": tomorrow})
        await running.says("all 15 sample messages are delivered")

        async def all_is_counted() -> bool:
            return [await prom.value(expression) for expression in COUNTED] == list(COUNTED.values())

        await eventually(all_is_counted, within=20, every=0.2)
        named = {name for expression in asked_of_prometheus() for name in metrics_in(expression)}
        assert named - MADE_BY_PROMETHEUS - await prom.names() == set()
        for expression in asked_of_prometheus():
            await prom.get("query", query=expression)
        [group] = (await prom.get("rules"))["groups"]
        assert {rule["name"]: rule["health"] for rule in group["rules"]} == {rule["alert"]: "ok" for rule in alerts()}
        assert (await prom.get("alerts"))["alerts"] == []

        for service, section in SECTIONS.items():
            seen = together(await shown(ports[service][0]), await shown(ports[service][-1]))
            assert seen == documented("Every process") | documented(section)
        assert await running.stop() == 0
