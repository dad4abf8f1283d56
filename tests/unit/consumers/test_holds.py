"""consumers/holds.py: what one consumer knows of the endpoints that wait for somebody."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from msgspec.structs import replace

from consumers import holds as module
from consumers import outcomes
from consumers.holds import Holds, endpoint_of
from sql.holds import HoldStore
from tests.factories import new_delivery, new_hold
from tidings.channels.recipient import EndpointKey
from tidings.domain.ids import new_id
from tidings.domain.message import Hold, Outcome
from tidings.domain.states import HeldReason

USER = new_id()
HOOK = EndpointKey("webhook https://host/gone", USER)


class Table:
    """The table `holds`; `reading` is awaited between the read and its answer."""

    def __init__(self) -> None:
        self.rows: list[Hold] = []
        self.away = 0
        self.asked = asyncio.Event()
        self.reading = asyncio.Event()
        self.reading.set()

    async def put(self, holds: Sequence[Hold]) -> None:
        if self.away:
            self.away -= 1
            raise ConnectionRefusedError("away")
        self.rows += holds

    async def list(self) -> Sequence[Hold]:
        if self.away:
            self.away -= 1
            raise ConnectionRefusedError("away")
        found = list(self.rows)
        self.asked.set()
        await self.reading.wait()
        return found


def gone(**changes: object) -> Hold:
    return new_hold(**{"user_id": USER, "endpoint": "https://host/gone", **changes})


def outcome_of(hold: Hold) -> Outcome:
    return replace(outcomes.returned(new_delivery()), hold=hold)


def known(table: Table) -> Holds:
    return Holds(cast("HoldStore", table))


async def test_what_is_read_holds_that_endpoint_for_that_user_alone() -> None:
    table = Table()
    table.rows = [gone(), gone(channel="sms", endpoint="sms", user_id=None, reason=HeldReason.GATEWAY)]
    holds = known(table)
    assert holds.reason(HOOK) is None
    await holds.read()
    assert holds.reason(HOOK) is HeldReason.ENDPOINT_DISABLED
    assert holds.reason(EndpointKey("sms sms")) is HeldReason.GATEWAY
    assert holds.reason(HOOK._replace(user_id=new_id())) is None
    assert holds.reason(HOOK._replace(name="webhook https://host/good")) is None


async def test_what_is_found_holds_at_once_and_stays_until_it_is_released() -> None:
    table = Table()
    holds = known(table)
    hold = gone()
    holds.add(hold)
    assert holds.reason(HOOK) is HeldReason.ENDPOINT_DISABLED
    await holds.read()
    assert holds.reason(HOOK) is HeldReason.ENDPOINT_DISABLED, "it is not in Postgres yet"
    await holds.write([outcomes.returned(new_delivery()), outcome_of(hold)])
    assert table.rows == [hold]
    await holds.read()
    assert holds.reason(HOOK) is HeldReason.ENDPOINT_DISABLED
    table.rows.clear()
    await holds.read()
    assert holds.reason(HOOK) is None


async def test_a_read_that_began_before_a_hold_was_written_does_not_lose_it() -> None:
    table = Table()
    table.reading.clear()
    holds = known(table)
    hold = gone()
    reading = asyncio.create_task(holds.read())
    await table.asked.wait()
    holds.add(hold)
    writing = asyncio.create_task(holds.write([outcome_of(hold)]))
    table.reading.set()
    await asyncio.gather(reading, writing)
    assert holds.reason(endpoint_of(hold)) is HeldReason.ENDPOINT_DISABLED


async def test_postgres_away_leaves_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AWAY_SECONDS", 0)
    table = Table()
    table.rows, table.away = [gone()], 2
    holds = known(table)
    await holds.read()
    assert (table.away, holds.reason(HOOK)) == (0, HeldReason.ENDPOINT_DISABLED)
    table.away = 1
    with pytest.raises(ConnectionRefusedError):
        await holds.write([outcome_of(gone())])
    assert holds.reason(HOOK) is HeldReason.ENDPOINT_DISABLED
