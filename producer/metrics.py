"""The metrics of a producer: what it pushed to consumers, and what it reclaimed from lost ones."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from producer.publisher import Publisher
from producer.reconciler import Reconciler
from tidings.domain.states import CancelReason
from tidings.observability import catalogue
from tidings.observability.metrics import Registry


class ProducerMetrics(Collector):
    """The metrics of one producer, all of them read at a scrape."""

    def __init__(self, name: str, *, belt: Publisher, reconciler: Reconciler) -> None:
        self.registry = Registry("producer", name=name)
        self._belt = belt
        self._reconciler = reconciler
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Reads what is kept elsewhere."""
        done = self._reconciler.done
        yield catalogue.BATCHES_PUSHED.read(self._belt.batches)
        yield catalogue.MESSAGES_PUSHED.read(self._belt.messages)
        yield catalogue.RECONCILER_LEADS.read(self._reconciler.leads)
        yield catalogue.BATCHES_RECLAIMED.read(done.reclaimed_batches)
        yield catalogue.MESSAGES_RECONCILED.read(
            {("released",): done.released, ("recovered",): done.recovered, ("healed",): done.healed}
        )
        yield catalogue.MESSAGES_CANCELLED.read(
            {(CancelReason.EXPIRED.value,): done.expired, (CancelReason.POISON.value,): done.poisoned}
        )
