"""tidings/channels/http/time_limits.py"""

import asyncio

import pytest

from tests.eventually import eventually
from tidings.channels.http.time_limits import TimeLimit, TimeLimits

SECONDS = 0.1


class Connection:
    """Remembers whether it was cut, and when."""

    cut = False
    cut_at = 0.0

    def expire(self) -> None:
        self.cut = True
        self.cut_at = asyncio.get_running_loop().time()


@pytest.fixture
async def limits() -> TimeLimits:
    return TimeLimits(SECONDS)


def begin(limits: TimeLimits) -> tuple[TimeLimit, Connection]:
    limit, connection = limits.begin(), Connection()
    limit.holds_for(connection)
    return limit, connection


async def until_passed(limit: TimeLimit) -> None:
    async def look() -> bool:
        return limit.passed

    await eventually(look, every=0.005)


async def test_whose_time_is_up_has_its_connection_cut(limits: TimeLimits) -> None:
    began = asyncio.get_running_loop().time()
    limit, connection = begin(limits)
    assert not limit.passed
    await until_passed(limit)
    assert connection.cut
    assert asyncio.get_running_loop().time() - began >= SECONDS - 0.01


async def test_who_is_done_is_left_alone_and_holds_up_nobody(limits: TimeLimits) -> None:
    first, kept = begin(limits)
    limits.done(first)
    limits.done(first)
    second, cut = begin(limits)
    await until_passed(second)
    assert (first.passed, kept.cut, cut.cut) == (False, False, True)


async def test_each_has_the_whole_time(limits: TimeLimits) -> None:
    began, connections = [], []
    for _ in range(3):
        began.append(asyncio.get_running_loop().time())
        last, connection = begin(limits)
        connections.append(connection)
        await asyncio.sleep(SECONDS / 4)
    await until_passed(last)
    for since, connection in zip(began, connections, strict=True):
        assert connection.cut_at - since >= SECONDS - 0.01


async def test_it_begins_again_after_a_rest(limits: TimeLimits) -> None:
    for _ in range(2):
        limit, connection = begin(limits)
        await until_passed(limit)
        assert connection.cut
