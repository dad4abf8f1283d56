"""The metrics of a consumer: its deliveries, their lateness and duration, and its state.

In memory only; a crash resets the counters. Deliveries are counted when their outcomes are on disk, group by group,
about 1 µs each; everything else is read at a scrape. A destination is never a label: users choose those, and there may
be any number.
"""

from collections import Counter as Count
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prometheus_client import Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from consumers.breaker import BreakerState
from consumers.dispatcher import Dispatcher
from consumers.leases import Leases
from consumers.recorder import OutcomeRecorder
from tidings.domain.message import Outcome
from tidings.domain.states import CancelReason, Status
from tidings.observability.metrics import Children, Distribution, Figures
from tidings.settings import Settings

LATENESS_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
DELIVERY_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
"""Seconds. The promise of 50 ms and the usual time-out of 15 s are bounds, so that shares on either side are exact."""

RETURNED: Final = "returned"
"""Given back to wait: no room, an open breaker, a stop."""
DELIVERED_BEFORE: Final = "delivered_before"
"""By a consumer that was lost, by its dedup record."""

NOT_CLOSED: Final = (BreakerState.OPEN, BreakerState.HALF_OPEN)


class ConsumerMetrics:
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
        self.figures = Figures("consumer", name=settings.consumer_name)
        self._channels = sorted(channels)
        self._places = settings.in_flight
        self._limiter = dispatcher.limiter
        self._leases = leases
        self._recorder = recorder
        self._accepting = accepting
        registry = self.figures.registry
        self._deliveries = Children(
            Counter(
                "tidings_deliveries", "Tries, by how they ended.", ["channel", "queue", "outcome"], registry=registry
            )
        )
        self._seconds = Distribution(
            "tidings_delivery_seconds",
            "From the start of a try to its outcome.",
            ["channel"],
            bounds=DELIVERY_BOUNDS,
            registry=registry,
        )
        self._lateness = Distribution(
            "tidings_lateness_seconds",
            "From the due time of a message to the start of its try.",
            ["queue"],
            bounds=LATENESS_BOUNDS,
            registry=registry,
        )
        self._cancelled = Children(
            Counter("tidings_messages_cancelled", "Messages that will not be sent.", ["reason"], registry=registry),
            known=[(reason,) for reason in (CancelReason.EXHAUSTED, CancelReason.EXPIRED, CancelReason.REJECTED)],
        )
        self._untried = Children(
            Counter(
                "tidings_messages_untried", "Messages that were taken in and not tried.", ["why"], registry=registry
            ),
            known=[(RETURNED,), (DELIVERED_BEFORE,)],
        )
        self.figures.read(self._state)

    def recorded(self, outcomes: Sequence[Outcome]) -> None:
        """Counts a group of outcomes that is on disk."""
        tries: Count[tuple[str, str, str]] = Count()
        seconds: dict[str, list[float]] = defaultdict(list)
        lateness: dict[str, list[float]] = defaultdict(list)
        for outcome in outcomes:
            attempt = outcome.attempt
            if attempt is not None:
                tries[outcome.channel, outcome.queue, attempt.outcome] += 1
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
        for labels, count in tries.items():
            self._deliveries[labels].inc(count)
        for channel, values in seconds.items():
            self._seconds.observe((channel,), values)
        for queue, values in lateness.items():
            self._lateness.observe((queue,), values)

    def _state(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "tidings_in_flight", "Deliveries that have begun and not ended.", self._limiter.in_flight
        )
        yield GaugeMetricFamily("tidings_in_line", "Messages that wait here for a place.", self._limiter.waiting)
        yield GaugeMetricFamily("tidings_places", "Deliveries that may be in flight at once.", self._places)
        yield GaugeMetricFamily("tidings_accepting", "Whether batches are welcome.", self._accepting())
        yield GaugeMetricFamily("tidings_batches_open", "Batches whose leases are renewed.", len(self._leases))
        yield GaugeMetricFamily(
            "tidings_outcomes_waiting", "Outcomes that are not on disk yet.", self._recorder.waiting
        )
        yield CounterMetricFamily("tidings_batches_taken", "Batches that were started.", self._leases.taken)
        yield CounterMetricFamily("tidings_leases_lost", "Batches whose lease ran out.", self._leases.lost)
        yield self._breakers()

    def _breakers(self) -> Metric:
        found = Count((key.partition(" ")[0], state) for key, state, _ in self._limiter.breakers())
        family = GaugeMetricFamily(
            "tidings_breakers", "Destinations whose breaker is not closed.", labels=["channel", "state"]
        )
        for channel in self._channels:
            for state in NOT_CLOSED:
                family.add_metric([channel, state.value], found[channel, state])
        return family
