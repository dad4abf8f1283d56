"""tidings/channels/registry.py"""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.unit.channels.doubles import answer, context
from tidings.channels.base import Channel, ChannelContext
from tidings.channels.echo.channel import EchoChannel
from tidings.channels.installed import channel_names
from tidings.channels.registry import ChannelRegistry
from tidings.channels.sms.channel import SmsChannel

THEIR_MODULE = """
from tidings.channels import Accepted
from tidings.channels.echo.channel import EchoChannel

class Carrier(EchoChannel):
    closed = False
    async def close(self):
        type(self).closed = True

class Broken(EchoChannel):
    def __init__(self, context):
        raise RuntimeError("no pigeons")

class Quitter(EchoChannel):
    def __init__(self, context):
        raise SystemExit(1)

class Sticky(EchoChannel):
    async def close(self):
        raise RuntimeError("stuck")

class NoChannel:
    def __init__(self, context):
        pass
"""


@pytest.fixture
def their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of somebody else's."""
    (tmp_path / "pigeons.py").write_text(THEIR_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "pigeons"
    sys.modules.pop("pigeons", None)


@pytest.fixture
def channel_context() -> ChannelContext:
    return context(answer(500))[0]


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group="tidings.channels")


def load(channel_context: ChannelContext, *points: EntryPoint) -> tuple[ChannelRegistry, list[str]]:
    """The registry, and the events that it logged."""
    with capture_logs() as logs:
        registry = ChannelRegistry.load(channel_context, points)
    return registry, [f"{entry['event']}: {entry['channel']}" for entry in logs]


def test_the_installed_channels_are_there(channel_context: ChannelContext) -> None:
    registry = ChannelRegistry.load(channel_context)
    assert isinstance(registry.get("sms"), SmsChannel)
    assert registry.get("pigeon") is None
    assert registry.names() == channel_names()


@pytest.mark.parametrize("value", ["Broken", "Quitter", "NoChannel", "Missing"])
def test_a_broken_channel_is_left_out(their_package: str, channel_context: ChannelContext, value: str) -> None:
    registry, events = load(
        channel_context,
        point("pigeon", f"{their_package}:{value}"),
        point("raven", f"{their_package}:Carrier"),
    )
    assert registry.names() == {"raven"}
    assert events == ["channel left out: pigeon"]


def test_a_module_that_is_not_there_is_left_out(channel_context: ChannelContext) -> None:
    registry, events = load(channel_context, point("pigeon", "not_installed:Pigeon"))
    assert registry.names() == frozenset()
    assert events == ["channel left out: pigeon"]


def test_another_packages_channel_takes_the_place_of_ours(their_package: str, tmp_path: Path) -> None:
    # As it is installed: a distribution with entry points of its own, found along sys.path.
    info = tmp_path / "pigeons-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeons\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tidings.channels]\necho = pigeons:Carrier\n")
    with capture_logs() as logs:
        registry = ChannelRegistry.load(context(answer(500))[0])
    channel = registry.get("echo")
    assert isinstance(channel, EchoChannel)
    assert type(channel).__name__ == "Carrier"
    assert [entry["channel"] for entry in logs] == ["echo"]


async def test_every_channel_is_closed_even_if_one_does_not(
    their_package: str, channel_context: ChannelContext
) -> None:
    registry, _ = load(
        channel_context,
        point("one", f"{their_package}:Sticky"),
        point("two", f"{their_package}:Carrier"),
    )
    with capture_logs() as logs:
        await registry.close()
    carrier: Channel | None = registry.get("two")
    assert getattr(carrier, "closed", False)
    assert [entry["event"] for entry in logs] == ["channel did not close"]
