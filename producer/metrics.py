"""The metrics of a producer: what it pushed, what it reclaimed from lost consumers, and how its duties go."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from producer.leader import Leader
from producer.maintenance import Maintenance
from producer.publisher import Publisher
from producer.receipts import ReceiptMaintenance
from producer.reconciler import Reconciler
from tidings.domain.states import CancelReason
from tidings.observability import catalogue
from tidings.observability.metrics import Registry


class ProducerMetrics(Collector):
    """The metrics of one producer, all of them read at a scrape."""

    def __init__(
        self,
        name: str,
        *,
        publisher: Publisher,
        reconciler: Reconciler,
        maintenance: Maintenance,
        receipts: ReceiptMaintenance,
        leader: Leader,
    ) -> None:
        self.registry = Registry("producer", name=name)
        self._publisher = publisher
        self._reconciler = reconciler
        self._maintenance = maintenance
        self._receipts = receipts
        self._leader = leader
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Reads what is kept elsewhere."""
        done = self._reconciler.stats
        yield catalogue.BATCHES_PUSHED.read(self._publisher.batches)
        yield catalogue.MESSAGES_PUSHED.read(self._publisher.messages)
        yield catalogue.PRODUCER_LEADS.read(self._leader.leads)
        yield catalogue.DUTY_FAILURES.read({(duty,): count for duty, count in self._leader.failures.items()})
        yield catalogue.DUTY_LAST_SUCCESS.read({(duty,): at for duty, at in self._leader.succeeded_at.items()})
        yield catalogue.BATCHES_RECLAIMED.read(done.reclaimed_batches)
        yield catalogue.MESSAGES_RECONCILED.read(
            {("released",): done.released, ("recovered",): done.recovered, ("healed",): done.healed}
        )
        yield catalogue.MESSAGES_CANCELLED.read(
            {(CancelReason.EXPIRED.value,): self._maintenance.expired, (CancelReason.POISON.value,): done.poisoned}
        )
        yield catalogue.RECEIPTS.read(
            {("early", "joined"): self._receipts.joined, ("early", "dropped"): self._receipts.dropped}
        )
