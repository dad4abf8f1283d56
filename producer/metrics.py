"""What a producer tells Prometheus: what it has put on the belt, and what it has taken back from lost consumers."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from producer.publisher import Publisher
from producer.reconciler import Reconciler
from tidings.domain.states import CancelReason
from tidings.observability.metrics import Figures


class ProducerMetrics:
    """The figures of one producer, all of them read off at a scrape."""

    def __init__(self, name: str, *, belt: Publisher, reconciler: Reconciler) -> None:
        self.figures = Figures("producer", name=name)
        self._belt = belt
        self._reconciler = reconciler
        self.figures.read(self._state)

    def _state(self) -> Iterable[Metric]:
        done = self._reconciler.done
        yield CounterMetricFamily("tidings_batches_pushed", "Batches put on the belt.", self._belt.batches)
        yield CounterMetricFamily("tidings_messages_pushed", "Messages in these batches.", self._belt.messages)
        yield GaugeMetricFamily("tidings_reconciler_leads", "Whether it reconciles.", self._reconciler.leads)
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
        cancelled.add_metric([CancelReason.EXPIRED.value], done.expired)
        cancelled.add_metric([CancelReason.POISON.value], done.poisoned)
        yield cancelled
