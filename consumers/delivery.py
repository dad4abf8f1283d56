"""The life cycle of one delivery: from its line through the channel to its outcome, settled in one place.

In play, in memory only: the delivery's share of the concurrency, its destination's breaker, its batch's lease, its
outcome and its dedup record. May deliver a message twice if the consumer dies after the receiver has accepted it and
before the dedup record is in Redis; the concurrency, held until then, bounds how many. A crash loses everything here:
leases run out, and the messages come back with a recovery counted.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol, cast
from uuid import UUID

import msgspec
import structlog

from consumers import outcomes
from consumers.backstop import Backstop
from consumers.dedup import DedupRecords, Record
from consumers.destination import Entry
from consumers.holds import HELD_SECONDS, Holds
from consumers.leases import Leases, OpenBatch
from consumers.limiter import DestinationLimiter
from consumers.recorder import OutcomeRecorder
from consumers.results import checked
from consumers.shortages import Shortages
from consumers.verdict import of_account, reason_of, settle
from tidings.channels.base import About, Accepted, Channel, Endpoints, NoEndpoints, Rejected, Result, Retry, Senders
from tidings.channels.recipient import EndpointKey
from tidings.domain.errors import StoreUnavailableError, UnsealError
from tidings.domain.ids import new_id
from tidings.domain.message import Bounce, Delivery, Hold, Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.states import HeldReason
from tidings.domain.suppression import same_address
from tidings.observability.logs import delivering
from tidings.security.sealed_headers import unseal_headers
from tidings.security.secretbox import SecretBox

log = structlog.get_logger(__name__)

DISABLED_SECONDS: Final = 24 * 3600.0
"""How often a message whose user is disabled asks again whether it may go; enabling the user makes it due sooner."""
HOLD_ERROR_LENGTH: Final = 1000
"""Characters of the error that are kept with a hold."""


class Health(Protocol):
    """What becomes of the deliveries to webhook endpoints."""

    def count(self, endpoint_id: UUID, result: Result) -> None:
        """Counts the end of one."""


class Deliveries(msgspec.Struct, kw_only=True, eq=False):
    """What all deliveries of one consumer share."""

    recorder: OutcomeRecorder
    dedup: DedupRecords
    leases: Leases
    limiter: "DestinationLimiter[DeliveryRun]"
    holds: Holds
    senders: Senders
    endpoints: Endpoints = NoEndpoints()
    health: Health | None = None
    policy: RetryPolicy
    consumer: str
    now: Callable[[], datetime]
    clock: Callable[[], float]
    shortages: Shortages
    backstop: Backstop
    box: SecretBox = msgspec.field(default_factory=lambda: SecretBox(()))
    """Opens the headers that are secrets."""
    running: "dict[DeliveryRun, asyncio.Task[None]]" = msgspec.field(default_factory=dict)
    """Deliveries that have begun; each removes itself when it ends."""
    stopping: bool = False
    """Once set, deliveries that have not reached their channel are given back."""

    def of_disabled(self, delivery: Delivery) -> bool | None:
        """Whether the user of a message is disabled; None where that has to be read."""
        if delivery.user_id is None:
            return False
        sender = self.senders.known(delivery.user_id)
        return None if sender is None else sender.disabled

    def held_by(self, delivery: Delivery, endpoint: EndpointKey) -> HeldReason | None:
        """Why nothing may go where a message goes, as far as is known; None where it may."""
        if delivery.endpoint_id is not None and self.endpoints.is_disabled(delivery.endpoint_id):
            return HeldReason.ENDPOINT_DISABLED
        return self.holds.reason(endpoint)

    def record(self, outcome: Outcome, batch: OpenBatch) -> None:
        """Has an outcome recorded, and the batch closed with its last one."""
        batch.left -= 1
        self.recorder.put(outcome, closes_batch=batch.left == 0)


class DeliveryRun(msgspec.Struct, eq=False, gc=False):
    """One delivery. It ends through exactly one of `run`, `give_back` and `send_back`."""

    shared: Deliveries
    channel: Channel | None
    delivery: Delivery
    batch: OpenBatch
    key: str
    """Of its destination."""
    endpoint: EndpointKey
    started_at: datetime | None = None
    """Since when the receiver may have the message."""
    began: float = 0.0
    """The same by the monotonic clock."""
    entered: "Entry[DeliveryRun] | None" = None
    """Once it has been started."""
    recorded: bool = False
    """Whether it has an outcome."""
    overdue: bool = False
    """Whether the backstop has cut it off."""
    judged: bool = False
    """Whether breakers know of its end."""
    held: bool = False
    """Whether its concurrency stays in use until its dedup record is written."""
    settled: bool = False

    def give_back(self) -> None:
        """Ends a delivery that was not started: it waits again as it did before."""
        self._record(outcomes.returned(self.delivery))

    def send_back(self, retry_in: float) -> None:
        """Ends a delivery that was not started: it is due again in `retry_in` seconds, or up to a fifth later."""
        reason = self.shared.held_by(self.delivery, self.endpoint)
        if reason is None:
            reason = reason_of(self.shared.limiter, self.key, self.endpoint, self.shared.clock())
        self._record(self._held(reason, retry_in))

    def hold_for_user(self) -> None:
        """Ends a delivery that was not started: it waits until its user is enabled."""
        self._record(self._held(HeldReason.DISABLED, DISABLED_SECONDS))

    async def run(self, entry: Entry["DeliveryRun"]) -> None:
        """Makes one attempt, and settles concurrency, breaker, lease and record however that ends."""
        delivering.set((self.delivery.id, self.batch.id))
        self.entered, self.began = entry, self.shared.clock()
        try:
            disabled = self.shared.of_disabled(self.delivery)
            if disabled or (disabled is None and await self._is_disabled()):
                untried: Outcome | None = self._held(HeldReason.DISABLED, DISABLED_SECONDS)
            else:
                if self.delivery.endpoint_id is not None:
                    await self._read_endpoint(self.delivery.endpoint_id)
                untried = self._untried()
            if untried is None:
                result = await self._attempt()
                if not self.settled:
                    self._end(entry, result)
            else:
                self._record(untried)
        except Exception as defect:
            log.exception("a defect in a delivery", recorded=self.recorded)
            self._record_defect(defect)
        finally:
            self._settle(entry)

    def _end(self, entry: Entry["DeliveryRun"], result: Result) -> None:
        """Records a result, and tells breakers and dedup records of it."""
        shared = self.shared
        outcome = self._conclude(result)
        self._record(outcome)
        if shared.health is not None and self.delivery.endpoint_id is not None:
            shared.health.count(self.delivery.endpoint_id, result)
        if isinstance(result, Accepted):
            record = Record(cast("datetime", outcome.sent_at), outcome.provider_message_id)
            shared.dedup.put(self.delivery.id, record, then=partial(shared.limiter.leave, entry))
            self.held = True
        elif result.about is About.OURSELVES:
            shared.shortages.count(result.error)
        self._judge(entry, result)
        self.judged = True

    def _settle(self, entry: Entry["DeliveryRun"]) -> None:
        """Frees what the delivery holds, once."""
        if self.settled:
            return
        self.settled = True
        # The entry refers to this, and neither is for the garbage collector: they would stay for ever, content and all.
        self.entered = None
        del self.shared.running[self]
        if not self.judged:
            # Says nothing about the receiver; if this was the probe of a breaker, another may probe.
            entry.endpoint.breaker.abandon()
            entry.endpoint.destination.breaker.abandon()
        if not self.recorded:
            # A message without an outcome must not stay in a batch that is renewed for ever.
            self.shared.leases.abandon(self.batch)
        if not self.held:
            self.shared.limiter.leave(entry)

    def expire(self) -> None:
        """Cancels an attempt that is overdue; where that does not end it, settles the delivery without it."""
        task = self.shared.running[self]
        self.overdue = True
        self.shared.backstop.overdue += 1
        log.error("the channel has not ended a delivery: cancelled", channel=self.delivery.channel)
        task.cancel()
        task.get_loop().call_later(self.shared.backstop.grace, self._give_up, task)

    def _give_up(self, task: asyncio.Task[None]) -> None:
        if self.settled or self.entered is None:
            return
        log.error("the channel goes on after it was cancelled", channel=self.delivery.channel)
        self.shared.backstop.keep(task)
        try:
            self._end(self.entered, self._overdue())
        except Exception as defect:
            log.exception("a defect in a delivery", recorded=self.recorded)
            self._record_defect(defect)
        finally:
            self._settle(self.entered)

    def _overdue(self) -> Retry:
        seconds = self.shared.clock() - self.began
        return Retry(error=f"the channel did not end the attempt within {seconds:.0f} s", unanswered=True)

    async def _is_disabled(self) -> bool:
        """Reads whether its user is disabled, which may have come while it was in line."""
        try:
            sender = await self.shared.senders.get(cast("UUID", self.delivery.user_id))
        except StoreUnavailableError:
            # Its batch was taken seconds ago, with its user: what is not known is only what has changed since.
            return False
        return sender is not None and sender.disabled

    async def _read_endpoint(self, endpoint_id: UUID) -> None:
        """Reads the webhook endpoint that it goes to. While Postgres is away the channel says so itself."""
        with suppress(StoreUnavailableError):
            await self.shared.endpoints.get(endpoint_id)

    def _untried(self) -> Outcome | None:
        """The outcome of a delivery that must not be attempted; None where it must."""
        shared, delivery = self.shared, self.delivery
        if shared.stopping or not shared.leases.holds(self.batch):
            # If another has the batch by now, this changes nothing. If it is still ours, because Postgres was stalled
            # and nobody could take it away, its messages must not stay behind in it.
            return outcomes.returned(delivery)
        now = shared.now()
        if delivery.expires_at is not None and delivery.expires_at <= now:
            return outcomes.expired(delivery)
        if delivery.endpoint_id is not None and shared.endpoints.is_gone(delivery.endpoint_id):
            return outcomes.endpoint_deleted(delivery)
        held = shared.held_by(delivery, self.endpoint)
        if held is not None:
            return self._held(held, HELD_SECONDS)
        self.started_at = now
        return None

    def _held(self, reason: HeldReason, seconds: float) -> Outcome:
        # Spread a little, so that what is sent back together does not come again together.
        seconds *= 1 + 0.2 * self.shared.policy.random()
        due_at = self.shared.now() + timedelta(seconds=seconds)
        return outcomes.returned(self.delivery, due_at=due_at, held_reason=reason)

    async def _attempt(self) -> Result:
        if self.channel is None:
            return Retry(
                error=f"channel {self.delivery.channel!r} is not there in this consumer", about=About.OURSELVES
            )
        delivery = self.delivery
        limits = self.shared.backstop.of(delivery.channel, self.channel)
        limit = limits.begin()
        limit.holds_for(self)
        try:
            if delivery.headers:
                headers = unseal_headers(delivery.headers, delivery.id, self.shared.box)
                delivery = msgspec.structs.replace(delivery, headers=headers)
            result = cast("object", await self.channel.deliver(delivery))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.overdue or task is None or task.uncancel():
                raise
            return self._overdue()
        except (UnsealError, StoreUnavailableError) as error:
            return Retry(error=str(error), about=About.OURSELVES)
        except Exception as error:
            # A channel may be anybody's code. That it may have sent the message before it raised is why this uses up
            # an attempt: a message that always raises must not be sent without end.
            log.exception("channel failed", channel=self.delivery.channel)
            return Retry(error=f"{type(error).__name__} in the channel", unanswered=True)
        finally:
            limits.done(limit)
        return checked(result, channel=self.delivery.channel)

    def _conclude(self, result: Result) -> Outcome:
        shared = self.shared
        outcome = outcomes.conclude(
            self.delivery,
            result,
            policy=shared.policy,
            consumer=shared.consumer,
            started_at=self.started_at or shared.now(),
            duration=shared.clock() - self.began,
            account=of_account(self.endpoint),
        )
        if result.unknown:
            bounce = Bounce(
                user_id=self.delivery.user_id,
                addresses=tuple(map(same_address, result.unknown)),
                detail=outcome.last_error or "",
            )
            outcome = msgspec.structs.replace(outcome, bounce=bounce)
        # An endpoint with a row of its own is disabled there.
        if not (isinstance(result, Rejected) and result.holds) or self.delivery.endpoint_id is not None:
            return outcome
        channel = self.delivery.channel
        endpoint = self.endpoint
        hold = Hold(
            id=new_id(),
            channel=channel,
            endpoint=endpoint.name.removeprefix(f"{channel} "),
            user_id=endpoint.user_id,
            reason=of_account(endpoint) if result.about is About.ACCOUNT else HeldReason.ENDPOINT_DISABLED,
            since=shared.now(),
            last_error=(outcome.last_error or "")[:HOLD_ERROR_LENGTH],
        )
        shared.holds.add(hold)
        return msgspec.structs.replace(outcome, hold=hold)

    def _record(self, outcome: Outcome) -> None:
        self.shared.record(outcome, self.batch)
        self.recorded = True

    def _judge(self, entry: Entry["DeliveryRun"], result: Result) -> None:
        """Adjusts concurrency, rate and breakers, and logs what that changed."""
        now, endpoint, destination = self.shared.clock(), entry.endpoint, entry.endpoint.destination
        changes = settle(self.shared.limiter, endpoint, result, began=self.began, now=now)
        if changes.slower and endpoint.paced is not None:
            rate = endpoint.paced.pace.rate
            log.info("rate limited by the receiver", destination=endpoint.key.name, rate=round(rate, 3))
        if changes.hangs:
            log.info("destination does not answer: one delivery at a time", destination=destination.key)
        for name, change, breaker in (
            (endpoint.key.name, changes.endpoint, endpoint.breaker),
            (destination.key, changes.host, destination.breaker),
        ):
            if change:
                error = None if isinstance(result, Accepted) else result.error
                log.warning("breaker opened", destination=name, seconds=breaker.wait(now), error=error)
            elif change is False:
                log.info("breaker closed", destination=name)

    def _record_defect(self, defect: Exception) -> None:
        """Gives a delivery that raised an outcome, so that the others of its batch keep their lease."""
        if self.recorded:
            return
        error = f"defect in the consumer: {type(defect).__name__}"
        try:
            self._record(self._conclude(Retry(error=error, unanswered=self.started_at is not None)))
        except Exception:
            log.exception("no outcome could be recorded: the batch comes back when its lease runs out")
