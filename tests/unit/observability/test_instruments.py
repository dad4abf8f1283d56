"""tidings/observability/instruments.py: a declaration, and what counts it."""

import prometheus_client
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from tidings.observability.instruments import OTHERS, QUEUES_NAMED, SILENT_SECONDS, Metric, Names

DELIVERIES = Metric("deliveries_total", "counter", ("consumers",), "Attempts: `accepted`, `retry`.", ("outcome",))
SECONDS = Metric("seconds", "histogram", ("consumers",), "How long.", ("channel",), (0.005, 0.25, 1.0))
STATE = Metric("breakers", "gauge", ("consumers",), "Open ones.", ("channel", "state"))
IN_FLIGHT = Metric("in_flight", "gauge", ("consumers",), "In flight.")


def shown(*metrics: prometheus_client.Metric) -> str:
    class Kept(Collector):
        def collect(self) -> tuple[prometheus_client.Metric, ...]:
            return metrics

    registry = CollectorRegistry()
    registry.register(Kept())
    return generate_latest(registry).decode()


def test_counters_are_made_once_and_known_ones_at_once() -> None:
    registry = CollectorRegistry()
    counters = DELIVERIES.counters(registry, known=[("accepted",)])
    assert registry.get_sample_value("deliveries_total", {"outcome": "accepted"}) == 0
    assert registry.get_sample_value("deliveries_total", {"outcome": "retry"}) is None
    counters[("retry",)].inc()
    counters[("retry",)].inc()
    assert registry.get_sample_value("deliveries_total", {"outcome": "retry"}) == 2


def test_a_histogram_shows_what_that_of_prometheus_client_shows() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = SECONDS.histogram(ours)
    other = prometheus_client.Histogram("seconds", "How long.", ["channel"], buckets=SECONDS.bounds, registry=theirs)
    assert generate_latest(ours) == generate_latest(theirs)
    for channel, values in (("echo", [0.0, 0.005, 0.006]), ("sms", [1.0, 1.5, 99.0]), ("echo", [0.25])):
        histogram.observe((channel,), values)
        for value in values:
            other.labels(channel).observe(value)
    assert generate_latest(ours) == generate_latest(theirs)


def test_values_that_are_kept_elsewhere_are_read_one_by_one_or_by_labels() -> None:
    assert shown(
        DELIVERIES.read({("retry",): 2}), STATE.read({("sms", "open"): 1, ("sms", "half-open"): 0}), IN_FLIGHT.read(7)
    ).splitlines() == [
        "# HELP deliveries_total Attempts: accepted, retry.",
        "# TYPE deliveries_total counter",
        'deliveries_total{outcome="retry"} 2.0',
        "# HELP breakers Open ones.",
        "# TYPE breakers gauge",
        'breakers{channel="sms",state="open"} 1.0',
        'breakers{channel="sms",state="half-open"} 0.0',
        "# HELP in_flight In flight.",
        "# TYPE in_flight gauge",
        "in_flight 7.0",
    ]


def test_who_comes_first_is_named_until_it_was_silent_for_an_hour() -> None:
    moment, forgotten = 0.0, list[str]()
    names = Names(forgotten.append, clock=lambda: moment)
    queues = [f"queue-{number}" for number in range(QUEUES_NAMED)]
    assert [names.shown(queue) for queue in queues] == queues
    assert names.shown("one more") == OTHERS
    moment = SILENT_SECONDS - 1
    assert (names.shown("queue-0"), names.shown("one more"), forgotten) == ("queue-0", OTHERS, [])
    moment = SILENT_SECONDS
    assert (names.shown("one more"), forgotten) == ("one more", ["queue-1"])
    assert names.shown("queue-0") == "queue-0"
    assert (names.shown("queue-1"), forgotten) == ("queue-1", ["queue-1", "queue-2"])


def test_what_is_forgotten_ends_and_begins_again_at_nothing() -> None:
    registry = CollectorRegistry()
    attempts = Metric("attempts_total", "counter", ("consumers",), "Attempts.", ("channel", "queue"))
    counters, histogram = attempts.counters(registry), SECONDS.histogram(registry)
    for labels in (("sms", "sms"), ("sms", "default"), ("echo", "sms")):
        counters[labels].inc(3)
    histogram.observe(("sms",), [0.1])
    histogram.observe(("echo",), [0.1])
    before = generate_latest(registry).decode()
    assert before.count("attempts_total{") == 3
    counters.forget(1, "sms")
    histogram.forget(0, "sms")
    after = generate_latest(registry).decode()
    # By the place of the label: a channel may be called as a queue is.
    assert [line for line in after.splitlines() if line.startswith("attempts_total{")] == [
        'attempts_total{channel="sms",queue="default"} 3.0'
    ]
    assert ('channel="sms",le' in before, 'channel="sms",le' in after) == (True, False)
    assert "seconds_count" in after
    counters["sms", "sms"].inc()
    assert registry.get_sample_value("attempts_total", {"channel": "sms", "queue": "sms"}) == 1
