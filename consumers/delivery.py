"""The life cycle of one delivery: from its line through the channel to its outcome, settled in one place.

In play, in memory only: the delivery's share of the concurrency, its destination's breaker, its batch's lease, its
outcome and its dedup record. May deliver a message twice if the consumer dies after the receiver has accepted it and
before the dedup record is in Redis; the concurrency, held until then, bounds how many. A crash loses everything here:
leases run out, and the messages come back with a recovery counted.
"""

import asyncio
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, cast

import msgspec
import structlog

from consumers import outcomes
from consumers.dedup import DedupRecords, Record
from consumers.leases import Leases, OpenBatch
from consumers.limiter import DestinationLimiter, Endpoint
from consumers.recorder import OutcomeRecorder
from consumers.verdict import settle
from tidings.channels.base import Accepted, Channel, Rejected, Result, Retry
from tidings.domain.errors import UnsealError
from tidings.domain.message import Delivery, Outcome
from tidings.domain.retry import RetryPolicy
from tidings.observability.logs import delivering
from tidings.security.sealed_headers import unseal_headers
from tidings.security.secretbox import SecretBox

log = structlog.get_logger(__name__)

USUAL_TYPES: Final = (str, int, bytes, type(None))
"""Of the fields of Accepted: needs no conversion, which takes 0.4 µs a message."""


class Deliveries(msgspec.Struct, kw_only=True, eq=False):
    """What all deliveries of one consumer share."""

    recorder: OutcomeRecorder
    dedup: DedupRecords
    leases: Leases
    limiter: "DestinationLimiter[DeliveryRun]"
    policy: RetryPolicy
    consumer: str
    now: Callable[[], datetime]
    clock: Callable[[], float]
    box: SecretBox = msgspec.field(default_factory=lambda: SecretBox(()))
    """Opens the headers that are secrets."""
    running: "dict[DeliveryRun, asyncio.Task[None]]" = msgspec.field(default_factory=dict)
    """Deliveries that have begun; each removes itself when it ends."""
    stopping: bool = False
    """Once set, deliveries that have not reached their channel are given back."""

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
    started_at: datetime | None = None
    """Since when the receiver may have the message."""
    recorded: bool = False
    """Whether it has an outcome."""

    def give_back(self) -> None:
        """Ends a delivery that was not started: it waits again as it did before."""
        self._record(outcomes.returned(self.delivery))

    def send_back(self, retry_in: float) -> None:
        """Ends a delivery that was not started: it is due again in `retry_in` seconds, or up to a fifth later."""
        # Spread a little, so that what is sent back together does not come again together.
        seconds = retry_in * (1 + 0.2 * self.shared.policy.random())
        self._record(outcomes.returned(self.delivery, due_at=self.shared.now() + timedelta(seconds=seconds)))

    async def run(self, endpoint: Endpoint["DeliveryRun"]) -> None:
        """Makes one attempt, and settles concurrency, breaker, lease and record however that ends."""
        shared = self.shared
        delivering.set((self.delivery.id, self.batch.id))
        began = shared.clock()
        judged = held = False
        try:
            untried = self._untried()
            if untried is not None:
                self._record(untried)
                return
            result = await self._attempt()
            outcome = self._conclude(result, shared.clock() - began)
            self._record(outcome)
            if isinstance(result, Accepted):
                record = Record(cast("datetime", outcome.sent_at), outcome.provider_message_id)
                shared.dedup.put(self.delivery.id, record, then=partial(shared.limiter.leave, endpoint))
                held = True
            self._judge(endpoint, result, began)
            judged = True
        except Exception as defect:
            log.exception("a defect in a delivery", recorded=self.recorded)
            if not self.recorded:
                self._record_defect(defect, shared.clock() - began)
        finally:
            del shared.running[self]
            if not judged:
                # Says nothing about the receiver; if this was the probe of a breaker, another may probe.
                endpoint.breaker.abandon()
                endpoint.destination.breaker.abandon()
            if not self.recorded:
                # A message without an outcome must not stay in a batch that is renewed for ever.
                shared.leases.abandon(self.batch)
            if not held:
                shared.limiter.leave(endpoint)

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
        self.started_at = now
        return None

    async def _attempt(self) -> Result:
        if self.channel is None:
            return Retry(error=f"channel {self.delivery.channel!r} is not there in this consumer")
        delivery = self.delivery
        try:
            if delivery.headers:
                headers = unseal_headers(delivery.headers, delivery.id, self.shared.box)
                delivery = msgspec.structs.replace(delivery, headers=headers)
            result = cast("object", await self.channel.deliver(delivery))
        except UnsealError as error:
            return Retry(error=str(error))
        except Exception as error:  # a channel may be anybody's code
            log.exception("channel failed", channel=self.delivery.channel)
            return Retry(error=f"{type(error).__name__} in the channel")
        return checked(result, channel=self.delivery.channel)

    def _conclude(self, result: Result, duration: float) -> Outcome:
        shared = self.shared
        return outcomes.conclude(
            self.delivery,
            result,
            policy=shared.policy,
            consumer=shared.consumer,
            started_at=self.started_at or shared.now(),
            duration=duration,
        )

    def _record(self, outcome: Outcome) -> None:
        self.shared.record(outcome, self.batch)
        self.recorded = True

    def _judge(self, endpoint: Endpoint["DeliveryRun"], result: Result, began: float) -> None:
        """Adjusts concurrency and breakers, and logs what that changed."""
        now, destination = self.shared.clock(), endpoint.destination
        changes = settle(self.shared.limiter, endpoint, result, began=began, now=now)
        if changes.decreased:
            log.info(
                "destination limited by the receiver",
                destination=destination.key,
                concurrency=destination.concurrency,
            )
        for name, change, breaker in (
            (endpoint.key.name, changes.endpoint, endpoint.breaker),
            (destination.key, changes.host, destination.breaker),
        ):
            if change:
                error = None if isinstance(result, Accepted) else result.error
                log.warning("breaker opened", destination=name, seconds=breaker.wait(now), error=error)
            elif change is False:
                log.info("breaker closed", destination=name)

    def _record_defect(self, defect: Exception, duration: float) -> None:
        """Gives a delivery that raised an outcome, so that the others of its batch keep their lease."""
        error = f"defect in the consumer: {type(defect).__name__}"
        try:
            self._record(self._conclude(Retry(error=error, unanswered=self.started_at is not None), duration))
        except Exception:
            log.exception("no outcome could be recorded: the batch comes back when its lease runs out")


def checked(result: object, *, channel: str) -> Result:
    """What a channel returned, converted to a Result that keeps what its type declares.

    May deliver a message twice if a channel returns a malformed result for a message that the receiver accepted: that
    counts as a Retry without an answer.
    """
    if type(result) is Accepted and (
        (type(result.provider_message_id), type(result.status_code), type(result.answer), type(result.error))
        == USUAL_TYPES
    ):
        return result
    try:
        return _convert(result)
    except (TypeError, ValueError) as error:
        log.exception("channel returned no valid result", channel=channel)
        return Retry(error=f"the channel returned {error}", unanswered=True)


def _convert(result: object) -> Result:
    """Raises TypeError or ValueError, whose text continues "the channel returned"."""
    if not isinstance(result, Result):
        raise TypeError("no result" if result is None else f"no result: {type(result).__name__}")
    kind = Accepted if isinstance(result, Accepted) else Retry if isinstance(result, Retry) else Rejected
    try:
        converted = cast("Result", msgspec.convert(msgspec.structs.asdict(result), kind))
    except msgspec.ValidationError as error:
        raise ValueError(f"a wrong {kind.__name__}: {error}") from error
    if isinstance(cast("object", result.answer), str):
        # msgspec has decoded it from base64.
        raise TypeError(f"a wrong {kind.__name__}: answer is no bytes")
    if isinstance(converted, Retry) and converted.delay is not None and not 0 <= converted.delay < math.inf:
        raise ValueError(f"a wrong Retry: delay={converted.delay}")
    return converted
