"""The stream of overviews: one making for all, and nothing kept for anybody."""

import asyncio
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from api.openapi.examples import OVERVIEW
from api.overview import feed as overview_feed
from api.overview.feed import HEARTBEAT, OverviewFeed
from api.overview.schemas import Overview
from tests.eventually import eventually


class Maker:
    """Makes overviews, and counts them."""

    def __init__(self) -> None:
        self.whole_made = 0
        self.recent_made = 0
        self.held = asyncio.Event()
        self.held.set()
        self.fails = False

    async def whole(self) -> Overview:
        self.whole_made += 1
        return OVERVIEW

    async def recent(self) -> Overview:
        await self.held.wait()
        self.recent_made += 1
        if self.fails:
            raise RuntimeError("a defect")
        history = msgspec.structs.replace(OVERVIEW.history, at=[self.recent_made])
        return msgspec.structs.replace(OVERVIEW, history=history)


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def feed(maker: Maker) -> OverviewFeed:
    return OverviewFeed(whole=maker.whole, recent=maker.recent, every=0.001)


def read(event: bytes) -> dict[str, Any]:
    name, data, *rest = event.decode().split("\n")
    assert (name, rest) == ("event: overview", ["", ""])
    found: dict[str, Any] = msgspec.json.decode(data.removeprefix("data: "))
    return found


async def test_the_first_event_is_whole_and_the_others_follow(feed: OverviewFeed, maker: Maker) -> None:
    async with aclosing(feed.events()) as stream:
        assert read(await anext(stream)) == msgspec.to_builtins(OVERVIEW)
        numbers = [read(await anext(stream))["history"]["at"][0] for _ in range(5)]
    assert numbers == sorted(set(numbers))
    assert maker.whole_made == 1


async def test_nobody_makes_any_where_nobody_listens(feed: OverviewFeed, maker: Maker) -> None:
    async with aclosing(feed.events()) as one, aclosing(feed.events()) as other:
        await asyncio.gather(anext(one), anext(other))
        await asyncio.gather(anext(one), anext(other))
        assert feed.listeners == 2
        assert len([task for task in asyncio.all_tasks() if task.get_name() == "overviews"]) == 1
    assert feed.listeners == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "overviews"]
    async with aclosing(feed.events()) as again:
        await anext(again)
        await anext(again)


async def test_who_is_slow_misses_events_and_after_a_gap_gets_the_whole(feed: OverviewFeed, maker: Maker) -> None:
    async with aclosing(feed.events()) as stream:
        await anext(stream)
        await anext(stream)
        made = maker.recent_made

        async def a_few_later() -> bool:
            return maker.recent_made > made + 3

        await eventually(a_few_later, every=0.0)
        missed = read(await anext(stream))["history"]["at"][0]
        assert missed > made + 1

        async def many_later() -> bool:
            return maker.recent_made > int(missed) + overview_feed.LATE_EVENTS + 1

        await eventually(many_later)
        assert read(await anext(stream)) == msgspec.to_builtins(OVERVIEW)
        assert maker.whole_made == 2


async def test_a_heartbeat_while_none_can_be_made(
    feed: OverviewFeed, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_feed, "HEARTBEAT_SECONDS", 0.01)
    maker.held.clear()
    async with aclosing(feed.events()) as stream:
        await anext(stream)
        assert await anext(stream) == await anext(stream) == HEARTBEAT
        assert HEARTBEAT.startswith(b":")
        maker.held.set()
        while (event := await anext(stream)) == HEARTBEAT:
            pass
        assert read(event)["history"]["at"]


async def test_a_defect_in_one_overview_ends_nothing(feed: OverviewFeed, maker: Maker) -> None:
    async with aclosing(feed.events()) as stream:
        await anext(stream)
        maker.fails = True

        async def failed() -> bool:
            return maker.recent_made > 2

        await eventually(failed)
        maker.fails = False
        assert read(await anext(stream))["history"]["at"][0] > 2


async def test_closing_ends_every_stream(feed: OverviewFeed, maker: Maker) -> None:
    async with aclosing(feed.events()) as stream:
        await anext(stream)
        maker.held.clear()
        waiting = asyncio.ensure_future(anext(stream, None))
        await asyncio.sleep(0)
        feed.close()
        last = await asyncio.wait_for(waiting, 5)
        while last is not None:
            last = await asyncio.wait_for(anext(stream, None), 5)
    async with aclosing(feed.events()) as late:
        assert await anext(late, None) is None
