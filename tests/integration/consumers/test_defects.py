"""A defect in a channel, or in the consumer itself, leaves no message behind."""

from datetime import timedelta
from typing import Any, cast

import pytest

from consumers import outcomes
from consumers.delivery import DeliveryRun
from consumers.dispatcher import Dispatcher
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.consumers.test_consumer import Gateway, batches_left, consuming, hand_over, until
from tidings.channels.base import Accepted, Rejected, Result, Retry
from tidings.channels.echo.channel import EchoChannel
from tidings.domain.message import Delivery
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


class Own(Accepted, frozen=True, kw_only=True):
    """Of a channel that wants to say more."""

    region: str = "eu"


class Text(str):
    """A text that is none of the usual kind."""

    __slots__ = ()


ODD = "a\x00b\ud800c"
SENT = (Status.SENT, 1)
TRIED = (Status.FAILED, 1)


async def test_whatever_a_channel_returns_is_recorded_and_the_others_of_its_batch_go_on(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: list[tuple[object, tuple[Status, int]]] = [
        (Accepted(provider_message_id=cast("str", 7)), TRIED),
        (Accepted(provider_message_id="p", status_code=None), SENT),
        (Accepted(provider_message_id=Text("p")), SENT),
        (Accepted(answer=cast("bytes", "yes")), TRIED),
        (Accepted(answer=b"\x00\xff" * 100_000), SENT),
        (Own(provider_message_id="p"), SENT),
        (Accepted(provider_message_id=ODD, answer=ODD.encode("utf-8", "surrogatepass")), SENT),
        (Accepted(provider_message_id="x" * 100_000), SENT),
        (Accepted(status_code=2**31), SENT),
        (Accepted(provider_message_id="p", status_code=-(2**70), answer=b"ok"), SENT),
        (Retry(error=ODD, delay=0.0), TRIED),
        (Retry(error="x" * 100_000), TRIED),
        (Retry(error=cast("str", None)), TRIED),
        (Retry(error="e", status_code=cast("int", None), delay=1e300), TRIED),
        (Rejected(error=ODD, status_code=404), (Status.CANCELLED, 1)),
        (Rejected(error=cast("str", OSError(ODD))), TRIED),
        (None, TRIED),
        (ODD, TRIED),
        (object(), TRIED),
    ]
    ids = await keep(store, len(results) + 1)
    wanted = dict(zip(ids, results, strict=False))

    async def deliver(_: EchoChannel, delivery: Delivery) -> object:
        return wanted[delivery.id][0] if delivery.id in wanted else Accepted()

    monkeypatch.setattr(EchoChannel, "deliver", deliver)
    found = {}
    async with consuming(settings, Gateway()) as consumer:
        await hand_over(store, consumer)
        await until(store, ids[-1], Status.SENT)
        for message_id, (_, (status, tries)) in wanted.items():
            message = await until(store, message_id, status)
            [attempt] = await store.messages.attempts(message)
            assert attempt.try_number == tries
            found[message_id] = message
        assert await batches_left(store) == 0
    odd = found[ids[6]].provider_message_id
    assert odd is not None
    assert (odd[0], odd[2]) == ("a", "b")
    assert all(len(message.last_error or "") <= 1024 for message in found.values())
    assert all(len(message.provider_message_id or "") <= 1024 for message in found.values())


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
