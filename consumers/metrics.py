"""The metrics of a consumer: its deliveries, their lateness and duration, and its state.

In memory only; a crash resets the counters. Deliveries are counted when their outcomes are on disk, group by group,
about 1 µs each; everything else is read at a scrape. A destination is never a label: users choose those, and there may
be any number. Of queues a hundred are named, and the rest is counted together.
"""

from collections import Counter as Count
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from consumers.breaker import BreakerState
from consumers.dispatcher import Dispatcher
from consumers.leases import Leases
from consumers.recorder import OutcomeRecorder
from tidings.domain.message import Outcome
from tidings.domain.states import CancelReason, Status
from tidings.observability import catalogue
from tidings.observability.instruments import Names
from tidings.observability.metrics import Registry
from tidings.settings import Settings

RETURNED: Final = "returned"
"""Given back to wait: no room, an open breaker, a stop."""
DELIVERED_BEFORE: Final = "delivered_before"
"""By a consumer that was lost, by its dedup record."""

NOT_CLOSED: Final = (BreakerState.OPEN, BreakerState.HALF_OPEN)


class ConsumerMetrics(Collector):
    """Counts recorded outcomes. `accepting` is called at each scrape; `channels` are those that the consumer has."""

    def __init__(
        self,
        settings: Settings,
        *,
        channels: Iterable[str],
        dispatcher: Dispatcher,
        leases: Leases,
        recorder: OutcomeRecorder,
        accepting: Callable[[], bool],
    ) -> None:
        self.registry = registry = Registry("consumer", name=settings.consumer_name)
        self._channels = sorted(channels)
        self._in_flight_limit = settings.in_flight
        self._dispatcher = dispatcher
        self._limiter = dispatcher.limiter
        self._leases = leases
        self._recorder = recorder
        self._accepting = accepting
        self._deliveries = catalogue.DELIVERIES.counters(registry)
        self._seconds = catalogue.DELIVERY_SECONDS.histogram(registry)
        self._lateness = catalogue.LATENESS_SECONDS.histogram(registry)
        reasons = (CancelReason.EXHAUSTED, CancelReason.EXPIRED, CancelReason.REJECTED)
        self._cancelled = catalogue.MESSAGES_CANCELLED.counters(registry, known=[(reason,) for reason in reasons])
        self._untried = catalogue.MESSAGES_UNTRIED.counters(registry, known=[(RETURNED,), (DELIVERED_BEFORE,)])
        self._names = Names(self._forget)
        registry.register(self)

    def recorded(self, outcomes: Sequence[Outcome]) -> None:
        """Counts a group of outcomes that are recorded."""
        attempts: Count[tuple[str, str, str]] = Count()
        seconds: dict[str, list[float]] = defaultdict(list)
        lateness: dict[str, list[float]] = defaultdict(list)
        for outcome in outcomes:
            attempt = outcome.attempt
            if attempt is not None:
                attempts[outcome.channel, outcome.queue, attempt.outcome] += 1
                seconds[outcome.channel].append(attempt.duration)
            elif outcome.status is Status.SENT:
                self._untried[(DELIVERED_BEFORE,)].inc()
            elif outcome.status is not Status.CANCELLED:
                self._untried[(RETURNED,)].inc()
            if outcome.lateness is not None:
                # Below 0 only where clocks differ.
                lateness[outcome.queue].append(max(outcome.lateness, 0.0))
            if outcome.cancel_reason is not None:
                self._cancelled[(outcome.cancel_reason.value,)].inc()
        names = {queue: self._names.shown(queue) for queue in {outcome.queue for outcome in outcomes}}
        for (channel, queue, result), count in attempts.items():
            self._deliveries[channel, names[queue], result].inc(count)
        for channel, values in seconds.items():
            self._seconds.observe((channel,), values)
        for queue, values in lateness.items():
            self._lateness.observe((names[queue],), values)

    def collect(self) -> Iterable[Metric]:
        """Reads what is kept elsewhere."""
        breakers = Count((each.name.partition(" ")[0], each.state) for each in self._limiter.breakers())
        yield catalogue.IN_FLIGHT.read(self._limiter.in_flight)
        yield catalogue.IN_FLIGHT_SLOW.read(self._limiter.slow)
        yield catalogue.HELD_BYTES.read(self._limiter.held_bytes)
        yield catalogue.IN_LINE.read(self._limiter.waiting)
        yield catalogue.IN_FLIGHT_LIMIT.read(self._in_flight_limit)
        yield catalogue.ACCEPTING.read(self._accepting())
        yield catalogue.BATCHES_OPEN.read(len(self._leases))
        yield catalogue.OUTCOMES_WAITING.read(self._recorder.waiting)
        yield catalogue.BATCHES_TAKEN.read(self._leases.taken)
        yield catalogue.LEASES_LOST.read(self._leases.lost)
        yield catalogue.DELIVERIES_OVERDUE.read(self._dispatcher.overdue)
        yield catalogue.BREAKERS.read(
            {(channel, state.value): breakers[channel, state] for channel, state in product(self._channels, NOT_CLOSED)}
        )

    def _forget(self, queue: str) -> None:
        for counted, metric in ((self._deliveries, catalogue.DELIVERIES), (self._lateness, catalogue.LATENESS_SECONDS)):
            counted.forget(metric.labels.index("queue"), queue)
