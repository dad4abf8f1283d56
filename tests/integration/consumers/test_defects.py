"""A defect in a channel, or in the consumer itself, leaves no message behind."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from consumers.dispatcher import Dispatcher
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, until
from tidings.channels.echo.channel import EchoChannel
from tidings.domain.states import Status
from tidings.settings import Settings


class UnexpectedError(Exception):
    """Nobody catches this one."""


async def fail(*_: Any) -> Any:
    raise UnexpectedError


def fail_now(*_: Any) -> Any:
    raise UnexpectedError


async def say_nothing(*_: Any) -> Any:
    return None


async def test_a_channel_that_returns_nothing_costs_a_try(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EchoChannel, "deliver", say_nothing)
    [message_id] = await keep(store)
    async with consuming(settings, Gateway()) as consumer:
        await hand_over(store, consumer)
        message = await until(store, message_id, Status.FAILED)
    assert (message.tries, message.last_error) == (1, "the channel returned no result")


@pytest.mark.parametrize(("method", "broken"), [("_through", fail), ("start", fail_now)])
async def test_a_defect_of_the_consumer_gives_the_batch_up(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, method: str, broken: Callable[..., Any]
) -> None:
    monkeypatch.setattr(Dispatcher, method, broken)
    [message_id] = await keep(store)
    quick = {"lease_seconds": 0.6, "lease_renewal_seconds": 0.1}
    async with consuming(settings, Gateway(), **quick) as consumer:
        store.batches.lease = timedelta(seconds=0.6)
        if method == "_through":
            await hand_over(store, consumer)
        else:
            with pytest.raises(UnexpectedError):
                await hand_over(store, consumer)

        async def run_out() -> bool:
            expired = await store.batches.expired(limit=10)
            taken = await store.batches.reclaim(expired, max_age=timedelta(minutes=1), recoveries_allowed=5)
            return taken.recovered == 1

        await eventually(run_out)
    assert (await until(store, message_id, Status.FAILED)).recoveries == 1
