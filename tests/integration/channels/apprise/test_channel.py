"""tidings/channels/apprise/channel.py, through Apprise's `json://` to a server on loopback."""

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from importlib import metadata

import msgspec
import pytest
from aiohttp import web

from tests.integration.channels.receivers import Receiver, read_request, web_receiver
from tests.unit.channels.doubles import MESSAGE_ID, answer, context
from tests.unit.channels.doubles import delivery as any_delivery
from tidings.channels import installed
from tidings.channels.apprise.channel import THREADS, AppriseChannel
from tidings.channels.base import About, Accepted, ChannelContext, Rejected, Retry
from tidings.channels.registry import ChannelRegistry
from tidings.domain.message import Delivery
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

# Some plugin imports a module that Python 3.13 does not have any more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

KEY = new_key()


def channel_context(**settings: object) -> ChannelContext:
    chosen = {
        "secret_keys": (KEY,),
        "apprise_schemas": ("json",),
        "connect_timeout": 1.0,
        "delivery_timeout": 2.0,
        **settings,
    }
    given = Settings(**chosen)  # type: ignore[arg-type]  # named in the tests
    return msgspec.structs.replace(context(answer(500))[0], settings=given)


@pytest.fixture
async def channel() -> AsyncIterator[AppriseChannel]:
    channel = AppriseChannel(channel_context())
    yield channel
    await channel.close()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that reaches the root logger at DEBUG, but for the server of the test."""
    # Not caplog, which listens to loggers that do not propagate, too.
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(lambda record: not record.name.startswith("aiohttp"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def delivery(url: str, content: str = "Hello", subject: str | None = None) -> Delivery:
    kept = f"json://{SecretBox([KEY]).seal(url, Purpose.RECIPIENT, MESSAGE_ID).decode()}"
    made = any_delivery(channel="apprise", recipient=kept, content=content)
    return msgspec.structs.replace(made, subject=subject)


def json_url(url: str) -> str:
    return url.replace("http://", "json://")


async def test_a_message_arrives(channel: AppriseChannel) -> None:
    received = []

    async def receive(request: web.Request) -> web.Response:
        received.append((request.path, request.headers["X-Token"], json.loads(await request.text())))
        return web.Response()

    async with web_receiver(receive) as url:
        result = await channel.deliver(delivery(f"{json_url(url)}?+X-Token=s3cret", "1 < 2 & 3", "News"))
    assert result == Accepted()
    [(path, token, body)] = received
    assert (path, token) == ("/hook", "s3cret")
    assert (body["title"], body["message"]) == ("News", "1 < 2 & 3")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(503, Retry), (500, Retry), (429, Retry), (408, Retry), (404, Rejected), (401, Rejected), (302, Rejected)],
)
async def test_a_refusal_is_judged_by_its_status(
    channel: AppriseChannel, status: int, kind: type, log: io.StringIO
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "http://127.0.0.1:1/elsewhere"})

    async with web_receiver(refuse) as url:
        result = await channel.deliver(delivery(f"{json_url(url)}/s3cret"))
    assert isinstance(result, kind)
    assert isinstance(result, Retry | Rejected)
    assert result.status_code == status
    assert result.error.startswith(f"HTTP {status}")
    assert "s3cret" not in log.getvalue()


async def test_no_connection_is_tried_again(channel: AppriseChannel, unused_tcp_port: int) -> None:
    result = await channel.deliver(delivery(f"json://127.0.0.1:{unused_tcp_port}/"))
    assert result == Retry(error="the service did not take the message, or could not be reached")


async def test_the_status_of_one_delivery_is_not_that_of_the_next(
    channel: AppriseChannel, unused_tcp_port: int
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=404)

    async with web_receiver(refuse) as url:
        await asyncio.gather(*(channel.deliver(delivery(json_url(url))) for _ in range(2 * THREADS)))
    result = await channel.deliver(delivery(f"json://127.0.0.1:{unused_tcp_port}/"))
    assert isinstance(result, Retry)
    assert result.status_code is None


async def test_a_slow_service_times_out_and_keeps_its_thread() -> None:
    channel = AppriseChannel(channel_context(connect_timeout=0.2, delivery_timeout=0.3))
    release = asyncio.Event()
    started = 0

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal started
        await read_request(reader)
        started += 1
        # A byte now and then keeps the socket alive beyond any time limit of a read.
        while not release.is_set():
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(0.05)

    before = threading.active_count()
    async with Receiver(stall) as receiver:
        url = json_url(receiver.url.partition("?")[0])
        results = await asyncio.gather(*(channel.deliver(delivery(url)) for _ in range(THREADS)))
        assert results == [Retry(error="timed out after 0.3 s", unanswered=True)] * THREADS
        waiting = await channel.deliver(delivery(url))
        assert waiting == Retry(error="no thread was free within 0.3 s", about=About.OURSELVES)
        assert started == THREADS
        assert threading.active_count() <= before + THREADS
        release.set()
        after: object = waiting
        while after == waiting:
            after = await channel.deliver(delivery(url))
    await channel.close()


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("slack://nonsense", "not a URL that Apprise can use"),
        ("gotify://127.0.0.1/token", "not open here"),
        ("syslog://", "must be an Apprise URL"),
        ("dbus://x", "not open here"),
        ("tgram://123456789:abcdefg_hijklmnop/1/?template=/etc/passwd", "argument 'template'"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#a/#b", "several targets"),
        ("no url", "must be an Apprise URL"),
    ],
)
async def test_what_cannot_be_delivered_is_rejected(
    channel: AppriseChannel, url: str, part: str, log: io.StringIO
) -> None:
    result = await channel.deliver(delivery(url))
    assert isinstance(result, Rejected)
    assert part in result.error
    assert "nonsense" not in result.error
    assert "nonsense" not in log.getvalue()


async def test_a_key_that_is_missing_is_waited_for() -> None:
    channel = AppriseChannel(channel_context(secret_keys=(new_key(),)))
    result = await channel.deliver(delivery("json://127.0.0.1/"))
    assert result == Retry(error="none of SECRET_KEYS opens a secret that is kept", about=About.OURSELVES)
    await channel.close()


async def test_the_service_is_the_destination(channel: AppriseChannel) -> None:
    assert channel.destination(delivery("json://127.0.0.1/x")) == "json"


async def test_the_channel_is_there_where_apprise_is(monkeypatch: pytest.MonkeyPatch) -> None:
    installed.channel_names.cache_clear()
    registry = ChannelRegistry.load(channel_context())
    assert "apprise" in installed.channel_names()
    assert isinstance(registry.get("apprise"), AppriseChannel)
    await registry.close()

    monkeypatch.setitem(sys.modules, "apprise", None)
    installed.channel_names.cache_clear()
    try:
        assert "apprise" in {point.name for point in metadata.entry_points(group="tidings.channels")}
        assert "apprise" not in installed.channel_names()
        assert "apprise" not in ChannelRegistry.load(channel_context()).names()
    finally:
        installed.channel_names.cache_clear()
