"""docs/channels.md: its examples, installed as packages and run."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.docs.blocks import blocks
from tests.docs.packages import install
from tests.integration.channels.receivers import web_receiver
from tests.unit.channels.doubles import delivery
from tidings.channels import Accepted, ChannelContext, RecipientError, Rejected, Retry, Transport
from tidings.channels.installed import channel_names, recipients
from tidings.channels.registry import ChannelRegistry
from tidings.settings import Settings

DOCUMENT = Path(__file__).parents[3] / "docs" / "channels.md"
MODULES = ("chat_channel", "printer_channel")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both packages of the document, as pip would have installed them."""
    for module in MODULES:
        install(DOCUMENT, module, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    channel_names.cache_clear()
    recipients.cache_clear()
    yield
    monkeypatch.undo()
    channel_names.cache_clear()
    recipients.cache_clear()
    for module in MODULES:
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
        message = delivery(channel="chat", recipient=recipients("chat").check("#Ops"), content="The backup is through.")
        assert chat.destination(message) == recipients("chat").destination(message, None) == "server"
        results = [await chat.deliver(message) for _ in range(3)]
    assert [type(result) for result in results] == [Accepted, Retry, Rejected]
    assert received == [(str(message.id), {"channel": "#ops", "text": "The backup is through."})] * 3
    assert isinstance(await chat.deliver(message), Retry), "nobody listens any more"
    await registry.close()
    with pytest.raises(RecipientError, match="must be a room"):
        recipients("chat").check("ops")


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
    languages = [block.language for block in blocks(DOCUMENT)]
    assert languages.count("python") == languages.count("toml") == len(MODULES)
