"""docs/channels.md: its examples, installed as packages and run."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.integration.channels.receivers import web_receiver
from tests.unit.channels.doubles import delivery
from tidings.channels.base import Accepted, ChannelContext, Rejected, Retry
from tidings.channels.http.transport import Transport
from tidings.channels.installed import channel_names, recipients
from tidings.channels.registry import ChannelRegistry
from tidings.settings import Settings

DOCUMENT = Path(__file__).parents[3] / "docs" / "channels.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both packages of the document, as pip would have installed them."""
    for module, code, project in zip(
        ("chat_channel", "printer_channel"), blocks("python"), blocks("toml"), strict=True
    ):
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        points = tomllib.loads(project)["project"]["entry-points"]["tidings.channels"]
        lines = "\n".join(f"{name} = {value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[tidings.channels]\n{lines}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    channel_names.cache_clear()
    yield
    monkeypatch.undo()
    channel_names.cache_clear()
    for module in ("chat_channel", "printer_channel"):
        sys.modules.pop(module, None)


@pytest.fixture
def context(transport: Transport) -> ChannelContext:
    return ChannelContext(settings=Settings(), transport=transport, operators_transport=transport)


async def test_the_example_delivers(installed: None, context: ChannelContext, monkeypatch: pytest.MonkeyPatch) -> None:
    received = []
    statuses = [200, 503, 404]

    async def receive(request: web.Request) -> web.Response:
        received.append((request.headers["Idempotency-Key"], await request.json()))
        return web.Response(status=statuses.pop(0))

    async with web_receiver(receive) as url:
        monkeypatch.setenv("CHAT_WEBHOOK_URL", url)
        with capture_logs():
            registry = ChannelRegistry.load(context)
        chat = registry.get("chat")
        assert chat is not None
        message = delivery(channel="chat", recipient=recipients("chat").check("#ops"), content="The backup is through.")
        assert chat.destination(message) == "chat"
        results = [await chat.deliver(message) for _ in range(3)]
        refused = await chat.deliver(delivery(channel="chat", recipient="ops"))
    assert [type(result) for result in results] == [Accepted, Retry, Rejected]
    assert refused == Rejected(error="a room begins with '#'")
    assert received == [(str(message.id), {"channel": "#ops", "text": "The backup is through."})] * 3
    assert isinstance(await chat.deliver(message), Retry), "nobody listens any more"
    await registry.close()


async def test_without_its_setting_it_is_left_out(
    installed: None, context: ChannelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAT_WEBHOOK_URL", raising=False)
    with capture_logs() as logs:
        registry = ChannelRegistry.load(context)
    assert registry.get("chat") is None
    assert "chat" in channel_names()
    assert {"channel left out"} == {entry["event"] for entry in logs if entry["channel"] == "chat"}
    await registry.close()


async def test_the_logger_of_echo_is_replaced(
    installed: None, context: ChannelContext, capsys: pytest.CaptureFixture[str]
) -> None:
    with capture_logs():
        registry = ChannelRegistry.load(context)
    echo = registry.get("echo")
    assert echo is not None
    assert await echo.deliver(delivery(channel="echo", content="Hello future!")) == Accepted()
    assert capsys.readouterr().out == "> Hello future!\n"
    await registry.close()


def test_every_example_is_run() -> None:
    assert len(blocks("python")) == len(blocks("toml")) == 2
