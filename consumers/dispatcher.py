"""Decides when deliveries start, gives back what cannot start, and drains what is in flight at a stop.

In play: deliveries in line and in flight, in memory only. A crash loses them: their batches' leases run out, and each
message comes back with a recovery counted. What cannot be started (a stop, a slow destination, an open breaker) goes
back to Postgres without using up an attempt.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from sys import getsizeof
from typing import Final

import structlog

from consumers import outcomes
from consumers.backstop import Backstop
from consumers.breaker import Breaker
from consumers.capacity import Limits
from consumers.dedup import DedupRecords, Record
from consumers.delivery import Deliveries, DeliveryRun, Health
from consumers.destination import Entry
from consumers.holds import HELD_SECONDS, Holds
from consumers.leases import Leases, OpenBatch
from consumers.limiter import DestinationLimiter
from consumers.recorder import OutcomeRecorder
from consumers.shortages import Shortages
from tidings.channels.base import Channel, Endpoints, NoEndpoints, Senders
from tidings.channels.recipient import EndpointKey
from tidings.channels.registry import ChannelRegistry
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.message import Delivery, Priority
from tidings.domain.retry import RetryPolicy
from tidings.runtime.files import open_files_limit
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings

log = structlog.get_logger(__name__)

SECONDS: Final = 3600
"""Of an hour."""


class Dispatcher:
    """Starts the deliveries of one consumer as its destination limiter allows."""

    def __init__(
        self,
        channels: ChannelRegistry,
        recorder: OutcomeRecorder,
        dedup: DedupRecords,
        leases: Leases,
        holds: Holds,
        *,
        senders: Senders,
        endpoints: Endpoints = NoEndpoints(),  # noqa: B008
        health: Health | None = None,
        settings: Settings,
        policy: RetryPolicy,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._channels = channels
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.limiter: DestinationLimiter[DeliveryRun] = DestinationLimiter(
            self._begin,
            DeliveryRun.send_back,
            limits=Limits.of(settings, files=open_files_limit()),
            breaker=lambda: Breaker(failures=settings.breaker_failures, open_seconds=settings.breaker_seconds),
            clock=clock,
        )
        self._shared = Deliveries(
            recorder=recorder,
            dedup=dedup,
            leases=leases,
            limiter=self.limiter,
            holds=holds,
            senders=senders,
            endpoints=endpoints,
            health=health,
            policy=policy,
            consumer=settings.consumer_name,
            now=now,
            clock=clock,
            shortages=Shortages(clock),
            backstop=Backstop(),
            box=SecretBox(settings.secret_keys),
        )

    @property
    def overdue(self) -> int:
        """Deliveries that the backstop has cut off."""
        return self._shared.backstop.overdue

    def start(self, delivery: Delivery, batch: OpenBatch) -> None:
        """Starts a delivery, puts it in line, or gives it back where it cannot go now; its outcome is recorded.

        Raises only what is a defect; then the delivery has no outcome, and its batch must be abandoned.
        """
        channel = self._channels.get(delivery.channel)
        delivery = self._routed(channel, delivery)
        key, named, concurrency = destination_of(channel, delivery)
        endpoint = EndpointKey(key) if named is None else named
        run = DeliveryRun(self._shared, channel, delivery, batch, key, endpoint)
        if self._shared.stopping:
            run.give_back()
            return
        if self._shared.of_disabled(delivery):
            run.hold_for_user()
            return
        if self._shared.held_by(delivery, endpoint) is not None:
            run.send_back(HELD_SECONDS)
            return
        per_hour, burst = allowed_of(channel, delivery)
        retry_in = self.limiter.enter(
            key,
            run,
            endpoint=endpoint,
            concurrency=concurrency,
            per_hour=per_hour,
            burst=burst,
            # In memory: a text of one character beyond Latin-1 takes two or four bytes for each.
            size=getsizeof(delivery.content) + (delivery.mail_bytes or 0),
            high=delivery.priority == Priority.HIGH,
        )
        if retry_in is not None:
            run.send_back(retry_in)

    def _routed(self, channel: Channel | None, delivery: Delivery) -> Delivery:
        if channel is None:
            return delivery
        try:
            return channel.route(delivery, partial(self._can_go, delivery.channel))
        except Exception as error:  # noqa: BLE001  (anybody's code; deliver() will say what is wrong with the message)
            log.info("a message without a way", message=str(delivery.id), error=type(error).__name__)
            return delivery

    def _can_go(self, channel: str, destination: str, endpoint: EndpointKey) -> bool:
        """Whether neither a hold nor a breaker keeps messages from an endpoint of a channel; one that probes may go."""
        named, now = EndpointKey(f"{channel} {endpoint.name}", endpoint.user_id), self._clock()
        if self._shared.holds.reason(named) is not None:
            return False
        return not any(each.breaker.wait(now) for each in self.limiter.find(f"{channel} {destination}", named) if each)

    def skip_sent(self, delivery: Delivery, record: Record, batch: OpenBatch) -> None:
        """Records as sent what an earlier consumer delivered before it died."""
        self._shared.record(outcomes.already_sent(delivery, record), batch)

    def stop_starting(self) -> None:
        """Gives back what is in line, and from now on what comes."""
        self._shared.stopping = True
        for run in self.limiter.clear():
            run.give_back()

    async def drain(self, grace: float) -> None:
        """Waits up to `grace` seconds for what is in flight, then cancels it.

        May deliver messages twice: the outcomes of deliveries that are cancelled are unknown.
        """
        running = self._shared.running.values()
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=grace)
        if late:
            log.error("deliveries cut off in flight; their outcomes are unknown", deliveries=len(late))
            await cancel_and_wait(*late)

    def _begin(self, entry: Entry[DeliveryRun]) -> None:
        self._shared.running[entry.delivery] = self._loop.create_task(entry.delivery.run(entry))


def allowed_of(channel: Channel | None, delivery: Delivery) -> tuple[int | None, int | None]:
    """How many messages may go to its endpoint in an hour (None: no limit), and how many of them at once.

    A limit by the second lets them go evenly, up to what is late by a twentieth of a second.
    """
    if channel is None:
        return None, None
    try:
        per_second = channel.per_second(delivery)
        if per_second is None:
            return channel.per_hour(delivery), None
        return per_second * SECONDS, max(per_second // 20, 1)
    except Exception as error:  # noqa: BLE001  (anybody's code; deliver() will say what is wrong with the message)
        log.info("a message without a limit", message=str(delivery.id), error=type(error).__name__)
        return None, None


def destination_of(channel: Channel | None, delivery: Delivery) -> tuple[str, EndpointKey | None, int | None]:
    """The keys of a delivery's destination and endpoint, and the concurrency where the channel lowers it."""
    if channel is None:
        return delivery.channel, None, None
    try:
        concurrency = channel.concurrency(delivery)
        key = f"{delivery.channel} {channel.destination(delivery)}"
        endpoint = channel.endpoint(delivery)
        named = EndpointKey(f"{delivery.channel} {endpoint.name}", endpoint.user_id)
        return key, named, None if concurrency is None else max(int(concurrency), 1)
    except Exception as error:  # noqa: BLE001  (anybody's code; deliver() will say what is wrong with the message)
        log.info("a message without a destination", message=str(delivery.id), error=type(error).__name__)
        return delivery.channel, None, None
