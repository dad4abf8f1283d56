"""Every metric: a new one is declared here, with a panel in `board`, and counted by its process.

`make generate` makes docs/metrics.md from it, in the order of this file.
"""

from typing import Final

from tidings.observability.instruments import Metric

LATENESS_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
DELIVERY_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
"""Seconds. The promise of 50 ms and the usual time-out of 15 s are bounds, so that shares on either side are exact."""
REQUEST_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

PROCESS_INFO: Final = Metric(
    "tidings_process_info",
    "gauge",
    ("every",),
    "What this process is. Always 1, to be joined with the others.",
    ("process", "name", "version"),
)
STORE_UP: Final = Metric(
    "tidings_store_up", "gauge", ("every",), "Whether the store responds to this process within 2 s.", ("store",)
)
CLOCK_AHEAD_SECONDS: Final = Metric(
    "tidings_clock_ahead_seconds",
    "gauge",
    ("every",),
    "By how much this machine's clock is ahead of Postgres's, which counts; below 0: behind. 0 until that is known.",
)

API_REQUESTS: Final = Metric(
    "tidings_api_requests_total", "counter", ("api",), "Requests answered.", ("method", "route", "status")
)
API_REQUEST_SECONDS: Final = Metric(
    "tidings_api_request_seconds",
    "histogram",
    ("api",),
    "From the head of a request to its answer; without streams.",
    ("method", "route"),
    REQUEST_BOUNDS,
)
API_CONNECTIONS: Final = Metric("tidings_api_connections", "gauge", ("api",), "Connections of clients.")
API_CONNECTIONS_SHED: Final = Metric(
    "tidings_api_connections_shed_total",
    "counter",
    ("api",),
    "Connections that were closed because the client was too slow (`head`, `body`, `unread`) or there were too many"
    " (`connections`, `per_address`).",
    ("reason",),
)
MESSAGES_ACCEPTED: Final = Metric(
    "tidings_messages_accepted_total", "counter", ("api",), "Messages that this process stored for delivery."
)
RECEIPTS: Final = Metric(
    "tidings_receipts_total",
    "counter",
    ("api", "producer"),
    "What came back about messages, from a `gateway`, a mail server (`email`) or a receiver (`webhook`): `changed` the "
    "receipt of its message, was `known` before, came `early` (before its message was known), said nothing for good "
    "yet (`passing`), was `refused` (signature, address), `unreadable`, or `put off` (to be sent again). Producers "
    "count early ones as `joined` or `dropped`.",
    ("source", "result"),
)
RECEIPTS_WAITING: Final = Metric(
    "tidings_receipts_waiting", "gauge", ("api",), "Receipts that wait for their commit, in this process."
)
MESSAGES_WAITING: Final = Metric(
    "tidings_messages_waiting", "gauge", ("api",), "Messages that wait, for their due time or for room.", ("queue",)
)
MESSAGES_DUE: Final = Metric(
    "tidings_messages_due", "gauge", ("api",), "Waiting messages that are due: what to scale consumers by.", ("queue",)
)
MESSAGES_PROCESSING: Final = Metric(
    "tidings_messages_processing", "gauge", ("api",), "Messages that are claimed, in batches.", ("queue",)
)
BEHIND_SECONDS: Final = Metric(
    "tidings_behind_seconds",
    "gauge",
    ("api",),
    "How long the oldest claimable message has waited; 0 if there is none. Knows about pace and stopped queues. What "
    "is held is not claimable: see `tidings_held_seconds`.",
)
MESSAGES_HELD: Final = Metric(
    "tidings_messages_held",
    "gauge",
    ("api",),
    "Waiting messages that are held by something other than their due time, counted up to 100,000 for each reason.",
    ("reason",),
)
HELD_SECONDS: Final = Metric(
    "tidings_held_seconds", "gauge", ("api",), "For how long the message that has waited longest is held.", ("reason",)
)
HOLDS: Final = Metric(
    "tidings_holds", "gauge", ("api",), "Endpoints that wait until somebody releases them, up to 50.", ("reason",)
)
PAUSED: Final = Metric(
    "tidings_paused",
    "gauge",
    ("api",),
    "Whether nothing is claimed, since Postgres was restored and nobody has said `tidings resume`.",
)
QUEUE_ACTIVE: Final = Metric("tidings_queue_active", "gauge", ("api",), "Whether the queue is on.", ("queue",))
QUEUE_INTERVAL_SECONDS: Final = Metric(
    "tidings_queue_interval_seconds", "gauge", ("api",), "The pace of the queue; 0: as soon as due.", ("queue",)
)
PRODUCER_UP: Final = Metric("tidings_producer_up", "gauge", ("api",), "Whether a producer is alive.")
CONSUMERS_UP: Final = Metric("tidings_consumers_up", "gauge", ("api",), "Whether a consumer is alive.")

BATCHES_PUSHED: Final = Metric("tidings_batches_pushed_total", "counter", ("producer",), "Batches pushed to consumers.")
MESSAGES_PUSHED: Final = Metric("tidings_messages_pushed_total", "counter", ("producer",), "Messages in these batches.")
BATCHES_RECLAIMED: Final = Metric(
    "tidings_batches_reclaimed_total", "counter", ("producer",), "Batches reclaimed from lost consumers."
)
MESSAGES_RECONCILED: Final = Metric(
    "tidings_messages_reconciled_total",
    "counter",
    ("producer",),
    "Messages that the reconciler put back to wait: "
    "`released` (never started), `recovered` (outcome unknown), `healed` (without a batch).",
    ("how",),
)
MESSAGES_CANCELLED: Final = Metric(
    "tidings_messages_cancelled_total",
    "counter",
    ("producer", "consumers"),
    "Messages that will not be sent. Producers count `expired` while waiting and `poison`; "
    "consumers `exhausted`, `expired` and `rejected`.",
    ("reason",),
)
PRODUCER_LEADS: Final = Metric(
    "tidings_producer_leads",
    "gauge",
    ("producer",),
    "Whether this producer leads: reconciles, keeps the tables, counts what waits.",
)
DUTY_FAILURES: Final = Metric(
    "tidings_producer_duty_failures_total",
    "counter",
    ("producer",),
    "Rounds of a duty of the leading producer that failed.",
    ("duty",),
)
DUTY_LAST_SUCCESS: Final = Metric(
    "tidings_producer_duty_last_success_timestamp_seconds",
    "gauge",
    ("producer",),
    "When the last round of a duty succeeded.",
    ("duty",),
)

DELIVERIES: Final = Metric(
    "tidings_deliveries_total",
    "counter",
    ("consumers",),
    "Attempts by outcome: `accepted`, `retry`, `rejected`.",
    ("channel", "queue", "outcome"),
)
DELIVERY_SECONDS: Final = Metric(
    "tidings_delivery_seconds",
    "histogram",
    ("consumers",),
    "From the start of an attempt to its outcome.",
    ("channel",),
    DELIVERY_BOUNDS,
)
LATENESS_SECONDS: Final = Metric(
    "tidings_lateness_seconds",
    "histogram",
    ("consumers",),
    "From the due time of a message to the start of its attempt.",
    ("queue",),
    LATENESS_BOUNDS,
)
MESSAGES_UNTRIED: Final = Metric(
    "tidings_messages_untried_total",
    "counter",
    ("consumers",),
    "Messages taken in without an attempt: `returned` to wait (no room, an open breaker, a 429, a stop), "
    "`delivered_before` by a consumer that was lost.",
    ("why",),
)
DELIVERIES_OVERDUE: Final = Metric(
    "tidings_deliveries_overdue_total",
    "counter",
    ("consumers",),
    "Deliveries that their channel had not ended after twice its time limit: cut off, their outcomes unknown.",
)
BATCHES_TAKEN: Final = Metric("tidings_batches_taken_total", "counter", ("consumers",), "Batches started.")
LEASES_LOST: Final = Metric(
    "tidings_leases_lost_total", "counter", ("consumers",), "Batches whose lease ran out while this consumer held them."
)
BATCHES_OPEN: Final = Metric(
    "tidings_batches_open", "gauge", ("consumers",), "Batches whose leases this consumer renews."
)
IN_FLIGHT: Final = Metric("tidings_in_flight", "gauge", ("consumers",), "Deliveries in flight.")
IN_FLIGHT_SLOW: Final = Metric(
    "tidings_in_flight_slow",
    "gauge",
    ("consumers",),
    "Those of them that have waited for over a second, or whose destination has not answered promptly lately.",
)
HELD_BYTES: Final = Metric(
    "tidings_held_bytes",
    "gauge",
    ("consumers",),
    "Bytes of contents in flight and in line, of `IN_FLIGHT_BYTES`.",
)
IN_LINE: Final = Metric(
    "tidings_in_line", "gauge", ("consumers",), "Messages in this consumer that wait for a delivery to end."
)
IN_FLIGHT_LIMIT: Final = Metric(
    "tidings_places", "gauge", ("consumers",), "How many deliveries may be in flight at once."
)
OUTCOMES_WAITING: Final = Metric(
    "tidings_outcomes_waiting", "gauge", ("consumers",), "Outcomes that are not recorded yet."
)
ACCEPTING: Final = Metric("tidings_accepting", "gauge", ("consumers",), "Whether this consumer accepts batches.")
BREAKERS: Final = Metric(
    "tidings_breakers",
    "gauge",
    ("consumers",),
    "Breakers that are `open` or `half-open`, of destinations and of endpoints.",
    ("channel", "state"),
)

METRICS: Final = [value for value in list(globals().values()) if isinstance(value, Metric)]
