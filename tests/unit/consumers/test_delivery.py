"""consumers/delivery.py: however a delivery ends, its concurrency, breaker, lease and record are settled."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from sys import getrefcount
from typing import Any, cast
from uuid import UUID

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from consumers import outcomes
from consumers.backstop import Backstop
from consumers.breaker import Breaker, BreakerState
from consumers.capacity import Limits
from consumers.dedup import DedupRecords, Record
from consumers.delivery import Deliveries, DeliveryRun
from consumers.destination import Entry
from consumers.holds import HELD_SECONDS, Holds
from consumers.leases import Leases, OpenBatch
from consumers.limiter import DestinationLimiter
from consumers.recorder import OutcomeRecorder
from consumers.results import USUAL_TYPES, checked
from consumers.shortages import Shortages
from sql.holds import HoldStore
from tests.eventually import eventually
from tests.factories import new_delivery, new_hold
from tidings.channels.base import About, Accepted, Channel, NoSenders, Rejected, Result, Retry, Senders
from tidings.channels.recipient import EndpointKey
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.ids import new_id
from tidings.domain.message import Delivery, Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.states import CancelReason, HeldReason, Status
from tidings.security.sealed_headers import seal_headers
from tidings.security.secretbox import SecretBox, new_key

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FAILURES = 2


class UnexpectedError(Exception):
    """Nobody catches this one."""


class EndOfProcess(BaseException):
    """Such as SystemExit."""


class Fakes:
    """Recorder, dedup records and leases in one, which remember what they were given."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[Outcome, bool]] = []
        self.dedup: list[tuple[UUID, Record, Callable[[], None]]] = []
        self.abandoned: list[OpenBatch] = []
        self.held = True

    def put(self, *arguments: Any, **named: Any) -> None:
        if "then" in named:
            self.dedup.append((*arguments, named["then"]))
        else:
            self.outcomes.append((*arguments, named["closes_batch"]))

    def holds(self, batch: OpenBatch) -> bool:
        return self.held and batch not in self.abandoned

    def abandon(self, batch: OpenBatch) -> None:
        self.abandoned.append(batch)


THERE = EndpointKey("there")
BOX = SecretBox([new_key()])


class Bench:
    """Deliveries through one channel that does what the test says, in batches of one."""

    def __init__(self, deliver: Callable[[], Awaitable[object]]) -> None:
        self.fakes = Fakes()
        self.now = 0.0
        self.time_limit = 60.0
        self.deliver = deliver
        self.headers: list[dict[str, str] | None] = []
        self.limiter: DestinationLimiter[DeliveryRun] = DestinationLimiter(
            self._start,
            DeliveryRun.send_back,
            limits=Limits(in_flight=4, slow=4, per_destination=2, held_bytes=1_000_000),
            breaker=lambda: Breaker(failures=FAILURES, open_seconds=10),
            clock=lambda: self.now,
        )
        self.endpoint = THERE
        self.senders: Senders = NoSenders()
        self.holds = Holds(cast("HoldStore", None))
        self.shared = Deliveries(
            recorder=cast("OutcomeRecorder", self.fakes),
            dedup=cast("DedupRecords", self.fakes),
            leases=cast("Leases", self.fakes),
            limiter=self.limiter,
            holds=self.holds,
            senders=self.senders,
            policy=RetryPolicy(delays=(1.0,), jitter=0, random=lambda: 0.5),
            consumer="c",
            now=lambda: NOW,
            clock=lambda: self.now,
            shortages=Shortages(lambda: self.now),
            backstop=Backstop(grace=0.01),
            box=BOX,
        )
        self.tasks: list[asyncio.Task[None]] = []

    def _start(self, entry: Entry[DeliveryRun]) -> None:
        task = self.shared.running[entry.delivery] = asyncio.create_task(entry.delivery.run(entry))
        self.tasks.append(task)

    def enter(self, *, batch: OpenBatch | None = None, **changes: Any) -> OpenBatch:
        bench = self

        class Scripted:
            time_limit = self.time_limit

            async def deliver(self, delivery: Delivery) -> object:
                bench.headers.append(delivery.headers)
                return await bench.deliver()

        batch = batch or OpenBatch(new_id(), left=1, held_until=math.inf)
        run = DeliveryRun(
            self.shared, cast("Channel", Scripted()), new_delivery(**changes), batch, "there", self.endpoint
        )
        retry_in = self.limiter.enter("there", run, endpoint=self.endpoint)
        if retry_in is not None:
            run.send_back(retry_in)
        return batch

    async def end(self) -> list[BaseException | None]:
        """Waits for all that were started; returns what they raised."""
        raised = []
        while self.tasks:
            tasks, self.tasks = self.tasks, []
            await asyncio.wait(tasks)
            raised += [None if task.cancelled() else task.exception() for task in tasks]
        return raised

    @property
    def statuses(self) -> list[Status]:
        return [outcome.status for outcome, _ in self.fakes.outcomes]

    @property
    def breakers(self) -> dict[str, BreakerState]:
        return {each.name: each.state for each in self.limiter.breakers()}

    def assert_settled(self) -> None:
        assert (self.limiter.in_flight, self.limiter.waiting, self.shared.running) == (0, 0, {})

    async def know(self) -> None:
        """Lets the destination answer once, so that it has all of its concurrency."""
        deliver, self.deliver = self.deliver, returning(Accepted())
        self.enter()
        await self.end()
        self.fakes.dedup.pop()[2]()
        self.deliver = deliver
        self.fakes.outcomes.clear()
        self.headers.clear()

    async def half_open(self) -> None:
        """Lets the breaker open, and its time pass."""
        deliver, self.deliver = self.deliver, returning(Retry(error="503"))
        for _ in range(FAILURES):
            self.enter()
        await self.end()
        assert self.breakers == {"there": BreakerState.OPEN}
        self.now += 10
        assert self.breakers == {"there": BreakerState.HALF_OPEN}
        self.deliver = deliver
        self.fakes.outcomes.clear()


def returning(result: object) -> Callable[[], Awaitable[object]]:
    async def deliver() -> object:
        return result

    return deliver


def raising(error: BaseException) -> Callable[[], Awaitable[object]]:
    async def deliver() -> object:
        raise error

    return deliver


async def never() -> object:
    return await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("result", "status"),
    [(Retry(error="503"), Status.FAILED), (Rejected(error="404"), Status.CANCELLED)],
)
async def test_one_that_was_not_accepted_is_recorded_and_frees_its_concurrency(result: Result, status: Status) -> None:
    bench = Bench(returning(result))
    bench.enter()
    await bench.end()
    assert bench.statuses == [status]
    assert bench.fakes.outcomes[0][1]
    assert (bench.fakes.abandoned, bench.fakes.dedup) == ([], [])
    bench.assert_settled()


async def test_an_accepted_one_holds_its_concurrency_until_the_dedup_record_is_in_redis() -> None:
    bench = Bench(returning(Accepted(provider_message_id="p")))
    await bench.know()
    for _ in range(3):
        bench.enter()
    await bench.end()
    assert bench.statuses == [Status.SENT] * 2
    assert (bench.limiter.in_flight, bench.limiter.waiting, bench.shared.running) == (2, 1, {})
    [(_, record, written), *_] = bench.fakes.dedup
    assert record == Record(NOW, "p")
    written()
    await bench.end()
    for _, _, written in bench.fakes.dedup[1:]:
        written()
    assert bench.statuses == [Status.SENT] * 3
    bench.assert_settled()


async def test_a_stop_and_a_lost_lease_give_back_what_has_not_reached_its_channel() -> None:
    bench = Bench(returning(Accepted()))
    bench.enter()
    bench.shared.stopping = True
    await bench.end()
    bench.shared.stopping = False
    bench.fakes.held = False
    bench.enter()
    await bench.end()
    assert bench.statuses == [Status.PENDING] * 2
    assert bench.fakes.dedup == []
    bench.assert_settled()


async def test_an_expired_probe_lets_another_probe() -> None:
    bench = Bench(returning(Rejected(error="404")))
    await bench.half_open()
    bench.enter(expires_at=NOW - timedelta(seconds=1))
    await bench.end()
    [(outcome, _)] = bench.fakes.outcomes
    assert (outcome.status, outcome.cancel_reason, outcome.attempt) == (Status.CANCELLED, CancelReason.EXPIRED, None)
    assert bench.breakers == {"there": BreakerState.HALF_OPEN}
    bench.enter()
    await bench.end()
    assert bench.breakers == {}
    bench.assert_settled()


async def test_an_open_breaker_sends_back_the_line() -> None:
    bench = Bench(returning(Retry(error="503")))
    await bench.know()
    for _ in range(5):
        bench.enter()
    await bench.end()
    # One more had started when the second failure came.
    assert sorted(bench.statuses) == [Status.FAILED] * 3 + [Status.PENDING] * 2
    assert {o.held_reason for o, _ in bench.fakes.outcomes if o.attempt is None} == {HeldReason.BREAKER}
    assert [outcome.attempt is None for outcome, _ in bench.fakes.outcomes].count(True) == 2
    assert all(
        outcome.due_at == NOW + timedelta(seconds=11) for outcome, _ in bench.fakes.outcomes if not outcome.tries
    )
    bench.assert_settled()


async def test_a_channel_that_raises_costs_an_attempt_and_counts_against_its_destination() -> None:
    bench = Bench(raising(UnexpectedError()))
    for _ in range(FAILURES):
        bench.enter()
    await bench.end()
    assert {outcome.last_error for outcome, _ in bench.fakes.outcomes} == {"UnexpectedError in the channel"}
    # It may have sent the message before it raised.
    assert [(outcome.tries, outcome.unanswered) for outcome, _ in bench.fakes.outcomes] == [(1, True)] * FAILURES
    assert bench.breakers == {"there": BreakerState.OPEN}


@pytest.mark.parametrize(("broken", "unanswered"), [("_untried", False), ("_attempt", True), ("_judge", None)], ids=str)
async def test_a_defect_gets_an_outcome_and_its_batch_keeps_the_lease(
    monkeypatch: pytest.MonkeyPatch, broken: str, unanswered: bool | None
) -> None:
    whole = getattr(DeliveryRun, broken)
    bench = Bench(returning(Rejected(error="404")))

    def fail(run: DeliveryRun, *arguments: Any) -> Any:
        if run.delivery.subject == "poor":
            raise UnexpectedError
        return whole(run, *arguments)

    monkeypatch.setattr(DeliveryRun, broken, fail)
    batch = OpenBatch(new_id(), left=2, held_until=math.inf)
    bench.enter(batch=batch, subject="poor")
    bench.enter(batch=batch)
    assert await bench.end() == [None, None]
    [(defect, _), (other, closes)] = bench.fakes.outcomes
    if unanswered is None:
        # It had its outcome when the defect came.
        assert defect.last_error == "404"
    else:
        assert (defect.status, defect.unanswered) == (Status.FAILED, unanswered)
        assert defect.last_error == "defect in the consumer: UnexpectedError"
    assert (other.last_error, closes, batch.left) == ("404", True, 0)
    assert bench.fakes.abandoned == []
    bench.assert_settled()


async def test_a_defect_after_the_receiver_accepted_is_a_possible_duplicate(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(returning(Accepted()))
    conclude = outcomes.conclude

    def fail_once(*_: Any, **__: Any) -> Outcome:
        monkeypatch.setattr(outcomes, "conclude", conclude)
        raise UnexpectedError

    monkeypatch.setattr(outcomes, "conclude", fail_once)
    bench.enter()
    await bench.end()
    [(outcome, _)] = bench.fakes.outcomes
    assert (outcome.status, outcome.unanswered, bench.fakes.dedup) == (Status.FAILED, True, [])
    bench.assert_settled()


async def test_a_dedup_record_that_cannot_be_queued_frees_the_concurrency(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(returning(Accepted()))
    put = bench.fakes.put

    def fail(*arguments: Any, **named: Any) -> None:
        if "then" in named:
            raise UnexpectedError
        put(*arguments, **named)

    monkeypatch.setattr(bench.fakes, "put", fail)
    bench.enter()
    assert await bench.end() == [None]
    assert (bench.statuses, bench.fakes.abandoned) == ([Status.SENT], [])
    bench.assert_settled()


async def test_a_probe_that_ends_in_a_defect_frees_the_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(returning(Rejected(error="404")))
    await bench.half_open()
    with monkeypatch.context() as patch:
        patch.setattr(DeliveryRun, "_attempt", lambda _: 1 / 0)
        bench.enter()
        await bench.end()
    assert bench.breakers == {"there": BreakerState.HALF_OPEN}
    bench.enter()
    await bench.end()
    assert bench.breakers == {}
    assert bench.statuses == [Status.FAILED, Status.CANCELLED]


async def test_where_no_outcome_can_be_recorded_the_batch_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(returning(Rejected(error="404")))
    monkeypatch.setattr(outcomes, "conclude", lambda *_, **__: 1 / 0)
    batch = bench.enter()
    assert await bench.end() == [None]
    assert (bench.statuses, bench.fakes.abandoned) == ([], [batch])
    bench.assert_settled()


async def test_what_ends_the_process_abandons_the_batch() -> None:
    bench = Bench(raising(EndOfProcess()))
    batch = bench.enter()
    [raised] = await bench.end()
    assert isinstance(raised, EndOfProcess)
    assert (bench.statuses, bench.fakes.abandoned) == ([], [batch])
    bench.assert_settled()


async def test_a_probe_that_is_cut_off_abandons_its_batch_and_frees_the_breaker() -> None:
    bench = Bench(never)
    await bench.half_open()
    batch = bench.enter()
    await asyncio.sleep(0)
    await cancel_and_wait(*bench.tasks)
    assert (bench.statuses, bench.fakes.abandoned) == ([], [batch])
    assert bench.breakers == {"there": BreakerState.HALF_OPEN}
    bench.assert_settled()


async def test_a_channel_that_does_not_return_is_cut_off_after_twice_its_time_limit() -> None:
    bench = Bench(never)
    bench.time_limit = 0.01
    for _ in range(FAILURES):
        bench.enter()
    with capture_logs() as logged:
        assert await bench.end() == [None] * FAILURES
    assert [(outcome.status, outcome.tries, outcome.unanswered) for outcome, _ in bench.fakes.outcomes] == [
        (Status.FAILED, 1, True)
    ] * FAILURES
    assert bench.shared.backstop.overdue == FAILURES
    assert [line["event"] for line in logged].count("the channel has not ended a delivery: cancelled") == FAILURES
    assert bench.breakers == {"there": BreakerState.OPEN}
    assert bench.fakes.abandoned == []
    bench.assert_settled()


async def test_a_channel_that_goes_on_after_it_was_cancelled_is_settled_without_it() -> None:
    release, cancelled = asyncio.Event(), asyncio.Event()

    async def stubborn() -> object:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                cancelled.set()
        return Accepted()

    bench = Bench(stubborn)
    bench.time_limit = 0.01
    batch = bench.enter()
    await cancelled.wait()

    async def settled() -> bool:
        return bool(bench.fakes.outcomes)

    await eventually(settled)
    bench.assert_settled()
    assert (batch.left, len(bench.shared.backstop._going_on)) == (0, 1)
    # Whatever it says in the end changes nothing.
    release.set()
    assert await bench.end() == [None]
    assert bench.statuses == [Status.FAILED]
    assert (bench.fakes.dedup, bench.shared.backstop._going_on) == ([], set())
    bench.assert_settled()


async def test_what_a_channel_says_when_it_is_cut_off_counts() -> None:
    async def late() -> object:
        try:
            return await never()
        except asyncio.CancelledError:
            return Accepted(provider_message_id="p")

    bench = Bench(late)
    bench.time_limit = 0.01
    bench.enter()
    assert await bench.end() == [None]
    assert (bench.statuses, len(bench.fakes.dedup)) == ([Status.SENT], 1)


async def test_one_that_is_cut_off_at_a_stop_too_has_no_outcome() -> None:
    bench = Bench(never)
    batch = bench.enter()
    await asyncio.sleep(0)
    [run] = bench.shared.running
    run.expire()
    await cancel_and_wait(*bench.tasks)
    assert (bench.statuses, bench.fakes.abandoned) == ([], [batch])
    bench.assert_settled()


class OwnAccepted(Accepted, frozen=True, kw_only=True):
    """Of a plug-in that wants to say more."""

    region: str = "eu"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (OwnAccepted(provider_message_id="p"), Accepted(provider_message_id="p")),
        (Accepted(status_code=HTTPStatus.ACCEPTED), Accepted(status_code=202)),
        (Accepted(answer=cast("bytes", bytearray(b"ok"))), Accepted(answer=b"ok")),
        (Retry(error="e", delay=cast("float", 3)), Retry(error="e", delay=3.0)),
        (Retry(error="e", delay=0.0, unanswered=True), Retry(error="e", delay=0.0, unanswered=True)),
        (Rejected(error="e", status_code=550), Rejected(error="e", status_code=550)),
        (Retry(error="e", about=About.HOST), Retry(error="e", about=About.HOST)),
        (Retry(error="e", about=cast("About", "pace")), Retry(error="e", about=About.PACE)),
    ],
)
def test_a_valid_result_is_converted(result: Result, expected: Result) -> None:
    assert checked(result, channel="c") == expected
    assert type(checked(result, channel="c")) is type(expected)


def test_the_usual_result_is_not_converted() -> None:
    usual = Accepted(provider_message_id="p", status_code=202, answer=b"ok")
    assert checked(usual, channel="c") is usual
    # All of its fields are looked at.
    assert tuple(type(value) for value in structs.astuple(usual)) == USUAL_TYPES


@pytest.mark.parametrize(
    ("result", "wrong"),
    [
        (None, "no result"),
        ("sent", "no result: str"),
        (Accepted, "no result: StructMeta"),
        (Accepted(provider_message_id=cast("str", 7)), "a wrong Accepted: Expected `str | null`, got `int`"),
        (Accepted(status_code=cast("int", "202")), "a wrong Accepted: Expected `int | null`, got `str`"),
        (Accepted(status_code=True), "a wrong Accepted: Expected `int | null`, got `bool`"),
        (Accepted(answer=cast("bytes", "aGk=")), "a wrong Accepted: answer is no bytes"),
        (Accepted(answer=cast("bytes", None)), "a wrong Accepted: Expected `bytes`, got `null`"),
        (Rejected(error=cast("str", OSError("e"))), "a wrong Rejected: Expected `str`, got `OSError`"),
        (Rejected(error=cast("str", None)), "a wrong Rejected: Expected `str`, got `null`"),
        (Retry(error="e", about=cast("About", "me")), "a wrong Retry: Invalid enum value 'me'"),
        (Retry(error="e", delay=-1.0), "a wrong Retry: delay=-1.0"),
        (Retry(error="e", delay=math.nan), "a wrong Retry: delay=nan"),
        (Retry(error="e", delay=math.inf), "a wrong Retry: delay=inf"),
        (Retry(error="e", delay=cast("float", "3")), "a wrong Retry: Expected `float | null`, got `str`"),
        (Retry(error="e", unanswered=cast("bool", 1)), "a wrong Retry: Expected `bool`, got `int`"),
    ],
)
def test_a_wrong_result_counts_as_a_retry_without_an_answer(result: object, wrong: str) -> None:
    found = checked(result, channel="c")
    assert isinstance(found, Retry)
    assert found.error.startswith(f"the channel returned {wrong}")
    assert found.unanswered


async def test_a_wrong_result_is_recorded() -> None:
    bench = Bench(returning(Accepted(provider_message_id=cast("str", 7))))
    bench.enter()
    await bench.end()
    [(outcome, _)] = bench.fakes.outcomes
    assert (outcome.status, outcome.unanswered) == (Status.FAILED, True)
    assert outcome.last_error is not None
    assert outcome.last_error.startswith("the channel returned a wrong Accepted")


async def test_sealed_headers_are_opened_for_the_channel() -> None:
    bench, message_id = Bench(returning(Accepted())), new_id()
    headers = {"Authorization": "Bearer hunter2", "X-Shop": "4"}
    await bench.know()
    bench.enter(id=message_id, headers=seal_headers(headers, message_id, BOX))
    bench.enter(headers=None)
    await bench.end()
    assert bench.headers == [headers, None]


async def test_what_fails_on_our_side_uses_up_no_attempt_opens_no_breaker_and_is_logged() -> None:
    bench = Bench(raising(StoreUnavailableError("the user could not be read")))
    with capture_logs() as logged:
        for _ in range(FAILURES + 1):
            bench.enter(created_at=NOW)
            await bench.end()
    assert [(outcome.status, outcome.tries) for outcome, _ in bench.fakes.outcomes] == [(Status.PENDING, 0)] * 3
    assert bench.breakers == {}
    assert [line["error"] for line in logged] == ["the user could not be read"]
    bench.assert_settled()


async def test_a_channel_that_is_not_there_uses_up_no_attempt() -> None:
    bench = Bench(never)
    batch = OpenBatch(new_id(), left=1, held_until=math.inf)
    run = DeliveryRun(bench.shared, None, new_delivery(created_at=NOW), batch, "there", EndpointKey("there"))
    assert bench.limiter.enter("there", run) is None
    await bench.end()
    [(outcome, _)] = bench.fakes.outcomes
    assert (outcome.status, outcome.tries) == (Status.PENDING, 0)
    assert outcome.last_error == "channel 'echo' is not there in this consumer"


async def test_headers_that_no_key_opens_wait_untried_and_are_never_sent() -> None:
    bench = Bench(returning(Accepted()))
    bench.enter(created_at=NOW, headers=seal_headers({"Authorization": "Bearer hunter2"}, new_id(), BOX))
    await bench.end()
    assert (bench.statuses, bench.headers) == ([Status.PENDING], [])
    assert "Bearer" not in str(bench.fakes.outcomes)
    bench.assert_settled()


async def test_a_hold_is_known_with_the_outcome_and_holds_what_comes() -> None:
    bench = Bench(returning(Rejected(error="HTTP 410 Gone", status_code=410, holds=True)))
    bench.enter(channel="webhook")
    await bench.end()
    [(outcome, _)] = bench.fakes.outcomes
    assert (outcome.status, outcome.cancel_reason, outcome.tries) == (Status.CANCELLED, CancelReason.REJECTED, 1)
    assert outcome.hold is not None
    assert (outcome.hold.channel, outcome.hold.endpoint, outcome.hold.user_id) == ("webhook", "there", None)
    assert (outcome.hold.reason, outcome.hold.last_error) == (HeldReason.ENDPOINT_DISABLED, "HTTP 410 Gone")
    bench.assert_settled()


async def test_what_was_in_line_when_another_consumer_set_a_hold_is_not_attempted() -> None:
    bench = Bench(returning(Accepted()))
    bench.holds.add(new_hold(channel="sms", endpoint="sms", reason=HeldReason.GATEWAY))
    bench.endpoint = EndpointKey("sms sms")
    bench.enter(channel="sms")
    await bench.end()
    [(outcome, _)] = bench.fakes.outcomes
    assert (outcome.status, outcome.tries, outcome.held_reason) == (Status.PENDING, 0, HeldReason.GATEWAY)
    assert outcome.due_at is not None
    assert outcome.due_at - NOW >= timedelta(seconds=HELD_SECONDS)
    assert bench.headers == []
    bench.assert_settled()


@pytest.mark.parametrize(("user_id", "reason"), [(new_id(), HeldReason.ACCOUNT), (None, HeldReason.GATEWAY)])
async def test_a_refused_account_burns_nothing_and_holds_its_user_alone(
    user_id: UUID | None, reason: HeldReason
) -> None:
    bench = Bench(returning(Retry(error="AUTH: refused with 535", status_code=535, about=About.ACCOUNT)))
    bench.endpoint = EndpointKey("email ada@host", user_id)
    bench.enter(channel="email", user_id=user_id, created_at=NOW)
    await bench.end()
    bench.enter(channel="email", user_id=user_id, created_at=NOW)
    assert [(o.status, o.tries, o.held_reason, o.attempt) for o, _ in bench.fakes.outcomes] == [
        (Status.PENDING, 0, reason, None)
    ] * 2
    bench.endpoint, bench.deliver = EndpointKey("email ada@host", new_id()), returning(Accepted())
    bench.enter(channel="email")
    await bench.end()
    assert bench.statuses[-1] is Status.SENT


@pytest.mark.parametrize("result", [Accepted(), Retry(error="503", status_code=503), Rejected(error="404")])
async def test_nothing_keeps_the_content_of_a_delivery_that_has_ended(result: Result) -> None:
    bench, content = Bench(returning(result)), "x" * 10_000
    await bench.know()
    before = getrefcount(content)
    bench.enter(content=content)
    await bench.end()
    while bench.fakes.dedup:
        bench.fakes.dedup.pop()[2]()
    bench.assert_settled()
    assert getrefcount(content) == before
