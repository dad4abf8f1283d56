"""The metrics of a producer: what it pushed, what it took back from lost consumers, and how its duties go."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from producer.leader import Leader
from producer.maintenance import Maintenance
from producer.publisher import Publisher
from producer.reconciler import Reconciler
from tidings.domain.states import CancelReason
from tidings.observability.metrics import Figures


class ProducerMetrics:
    """All of them are read at a scrape."""

    def __init__(
        self, name: str, *, publisher: Publisher, reconciler: Reconciler, maintenance: Maintenance, leader: Leader
    ) -> None:
        self.figures = Figures("producer", name=name)
        self._publisher = publisher
        self._reconciler = reconciler
        self._maintenance = maintenance
        self._leader = leader
        self.figures.read(self._state)

    def _state(self) -> Iterable[Metric]:
        done = self._reconciler.stats
        yield CounterMetricFamily("tidings_batches_pushed", "Batches pushed to consumers.", self._publisher.batches)
        yield CounterMetricFamily("tidings_messages_pushed", "Messages in these batches.", self._publisher.messages)
        yield GaugeMetricFamily("tidings_producer_leads", "Whether it leads the producers.", self._leader.leads)
        yield CounterMetricFamily(
            "tidings_batches_reclaimed", "Batches taken back from lost consumers.", done.reclaimed_batches
        )
        messages = CounterMetricFamily(
            "tidings_messages_reconciled", "Messages that were brought back to wait.", labels=["how"]
        )
        messages.add_metric(["released"], done.released)
        messages.add_metric(["recovered"], done.recovered)
        messages.add_metric(["healed"], done.healed)
        yield messages
        cancelled = CounterMetricFamily(
            "tidings_messages_cancelled", "Messages that will not be sent.", labels=["reason"]
        )
        cancelled.add_metric([CancelReason.EXPIRED.value], self._maintenance.expired)
        cancelled.add_metric([CancelReason.POISON.value], done.poisoned)
        yield cancelled
        failures = CounterMetricFamily(
            "tidings_producer_duty_failures", "Rounds of a duty of the leading producer that failed.", labels=["duty"]
        )
        for duty, count in self._leader.failures.items():
            failures.add_metric([duty], count)
        yield failures
        successes = GaugeMetricFamily(
            "tidings_producer_duty_last_success_timestamp_seconds",
            "When the last round of a duty succeeded here.",
            labels=["duty"],
        )
        for duty, at in self._leader.succeeded_at.items():
            successes.add_metric([duty], at)
        yield successes
