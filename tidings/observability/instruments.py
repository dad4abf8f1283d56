"""What a metric is made of: its declaration, and what counts it in a process.

All of it belongs to one event loop, so nothing here takes a lock.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final, Literal, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Labels: TypeAlias = tuple[str, ...]
Shown: TypeAlias = Literal["every", "api", "producer", "consumers"]
"""The processes that show a metric."""

OTHERS: Final = "(others)"
"""Stands for the queues that have no series of their own; no queue can be called that."""
QUEUES_NAMED: Final = 100
"""Queues that a process counts by name, however many there are."""
SILENT_SECONDS: Final = 3600.0
"""How long a queue keeps its name in which nothing is counted any more, where others lack one."""


class Metric(msgspec.Struct, frozen=True):
    """One metric as it is declared. `labels` are in the order in which values of them are given."""

    name: str
    """With the ending that its kind has: `_total` of a counter, `_info`."""
    kind: Literal["counter", "gauge", "histogram"]
    shown_by: tuple[Shown, ...]
    meaning: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()
    """Of a histogram."""

    @property
    def help(self) -> str:
        """The meaning as `/metrics` has it."""
        return self.meaning.replace("`", "")

    def counters(self, registry: CollectorRegistry, known: Iterable[Labels] = ()) -> "Counters":
        """Makes the counters that a process adds to."""
        return Counters(Counter(self.name, self.help, self.labels, registry=registry), known)

    def histogram(self, registry: CollectorRegistry) -> "Histogram":
        """Makes the histogram that a process adds to."""
        histogram = Histogram(self)
        registry.register(histogram)
        return histogram

    def read(self, values: float | Mapping[Labels, float]) -> CounterMetricFamily | GaugeMetricFamily:
        """Makes samples of values that are kept elsewhere: one value, or one for each combination of labels."""
        family = (CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily)(
            self.name, self.help, labels=self.labels
        )
        for labels, value in (values if isinstance(values, Mapping) else {(): values}).items():
            family.add_metric(labels, value)
        return family


class Counters(dict[Labels, Counter]):
    """The counters of a metric by their labels: found in 0.1 µs, where `labels()` takes a lock and ten times that.

    Those that are `known` are there from the start, at 0: a rate is seen only from the second value on.
    """

    def __init__(self, counter: Counter, known: Iterable[Labels] = ()) -> None:
        super().__init__()
        self._counter = counter
        for labels in known:
            self[labels] = counter.labels(*labels)

    def __missing__(self, labels: Labels) -> Counter:
        counter = self[labels] = self._counter.labels(*labels)
        return counter

    def forget(self, place: int, value: str) -> None:
        """Ends the series that have this value as their label at `place`."""
        for labels in [labels for labels in self if labels[place] == value]:
            del self[labels]
            self._counter.remove(*labels)


class Names:
    """Which queues are counted by name, and which under OTHERS.

    A name is given to who comes first. Once all are given, one that was silent for an hour is taken away, with all that
    it counted, which `forget` does. So a series never goes back, there are never more than `QUEUES_NAMED`, and not many
    more in a day.
    """

    def __init__(self, forget: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._forget = forget
        self._clock = clock
        self._seen: dict[str, float] = {}
        """When, the one that was silent longest first."""

    def shown(self, queue: str) -> str:
        """The label of a queue in which something is counted now."""
        now = self._clock()
        if self._seen.pop(queue, None) is None and len(self._seen) >= QUEUES_NAMED:
            silent = next(iter(self._seen))
            if now - self._seen[silent] < SILENT_SECONDS:
                return OTHERS
            del self._seen[silent]
            self._forget(silent)
        self._seen[queue] = now
        return queue


class Histogram(Collector):
    """A histogram by labels that costs 0.2 µs a value: prometheus_client's own, with its locks, takes 1.5."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, labels: Labels, values: Sequence[float]) -> None:
        """Counts a group of values. A value that equals a bound is in the class below it."""
        bounds = self._metric.bounds
        counts = self._counts.setdefault(labels, [0] * (len(bounds) + 1))
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self._sums[labels] = self._sums.get(labels, 0.0) + sum(values)

    def forget(self, place: int, value: str) -> None:
        """Ends the series that have this value as their label at `place`."""
        for labels in [labels for labels in self._counts if labels[place] == value]:
            del self._counts[labels], self._sums[labels]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Returns the counts so far, summed up from below as Prometheus wants them."""
        family = HistogramMetricFamily(self._metric.name, self._metric.help, labels=self._metric.labels)
        bounds = [*map(floatToGoString, self._metric.bounds), "+Inf"]
        for labels, counts in self._counts.items():
            family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), self._sums[labels])
        yield family
