"""A defect in a channel, or in the consumer itself, leaves no message behind."""

from datetime import timedelta
from typing import Any

import pytest

from consumers import outcomes
from consumers.delivery import DeliveryRun
from consumers.dispatcher import Dispatcher
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.consumers.test_consumer import Gateway, batches_left, consuming, hand_over, until
from tidings.channels.base import Result
from tidings.channels.echo.channel import EchoChannel
from tidings.domain.states import Status
from tidings.settings import Settings


class UnexpectedError(Exception):
    """Nobody catches this one."""


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


async def test_a_defect_in_one_delivery_costs_it_an_attempt_and_the_others_of_its_batch_nothing(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    [poor, *others] = await keep(store, 5)
    attempt = DeliveryRun._attempt

    async def fail_for_one(run: DeliveryRun) -> Result:
        if run.delivery.id == poor:
            raise UnexpectedError
        return await attempt(run)

    monkeypatch.setattr(DeliveryRun, "_attempt", fail_for_one)
    async with consuming(settings, Gateway()) as consumer:
        await hand_over(store, consumer)
        message = await until(store, poor, Status.FAILED)
        for message_id in others:
            await until(store, message_id, Status.SENT)
        assert await batches_left(store) == 0
    assert (message.tries, message.recoveries) == (1, 0)
    assert message.last_error == "defect in the consumer: UnexpectedError"


@pytest.mark.parametrize(("owner", "method"), [(outcomes, "conclude"), (Dispatcher, "start")])
async def test_where_no_outcome_can_be_recorded_the_batch_is_abandoned(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, owner: Any, method: str
) -> None:
    monkeypatch.setattr(owner, method, fail_now)
    [message_id] = await keep(store)
    quick = {"lease_seconds": 0.6, "lease_renewal_seconds": 0.1}
    async with consuming(settings, Gateway(), **quick) as consumer:
        store.batches.lease = timedelta(seconds=0.6)
        if owner is outcomes:
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
