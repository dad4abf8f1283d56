"""What a metric is made of: its declaration, and what counts it in a process.

All of it belongs to one event loop, so nothing here takes a lock.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Literal, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Labels: TypeAlias = tuple[str, ...]
Shown: TypeAlias = Literal["every", "api", "producer", "consumers"]
"""The processes that show a metric."""


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

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Returns the counts so far, summed up from below as Prometheus wants them."""
        family = HistogramMetricFamily(self._metric.name, self._metric.help, labels=self._metric.labels)
        bounds = [*map(floatToGoString, self._metric.bounds), "+Inf"]
        for labels, counts in self._counts.items():
            family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), self._sums[labels])
        yield family
