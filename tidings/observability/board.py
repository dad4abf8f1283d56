"""The panels of the Grafana dashboard, which `make generate` makes from them in this order."""

from typing import Final

from tidings.observability.panels import Lines, Logs, Panel, Row, Stat, by_process, quantiles, rate

_NO_PROBES: Final = 'route!~"/health.*"'

_RED_AT_NONE: Final = {"red": None, "green": 1}

PANELS: Final[list[Panel]] = [
    Stat(
        "Sent",
        "Messages a second that the receiver or provider accepted.",
        rate('tidings_deliveries_total{outcome="accepted"}'),
        unit="ops",
    ),
    Stat(
        "Failed",
        "Attempts a second that failed.",
        rate('tidings_deliveries_total{outcome!="accepted"}') + " or vector(0)",
        unit="ops",
    ),
    Stat("In flight", "Deliveries that have begun and not ended.", "sum(tidings_in_flight)"),
    Stat(
        "Waiting",
        "Messages that wait, for their due time or for room.",
        "sum(max by (queue) (tidings_messages_waiting))",
    ),
    Stat("Due", "Messages that could be claimed now.", "sum(max by (queue) (tidings_messages_due))"),
    Stat(
        "Held",
        "Messages that wait for a breaker, an account, a gateway, a rate or somebody.",
        "sum(max by (reason) (tidings_messages_held))",
    ),
    Stat(
        "Behind",
        "How long the oldest message that could be claimed has waited.",
        "max(tidings_behind_seconds)",
        unit="s",
        colors={"green": None, "orange": 5, "red": 30},
    ),
    Stat(
        "Consumers",
        "Consumers that respond.",
        'count(up{job="consumers"} == 1) or vector(0)',
        width=2,
        colors=_RED_AT_NONE,
    ),
    Stat(
        "Producer",
        "Whether one is alive.",
        "max(tidings_producer_up)",
        width=2,
        colors=_RED_AT_NONE,
        up_or_away=True,
    ),
    Stat(
        "Stores",
        "Whether Postgres and Redis respond to all processes.",
        "min(tidings_store_up)",
        width=2,
        colors=_RED_AT_NONE,
        up_or_away=True,
    ),
    Row("Messages"),
    Lines(
        "Deliveries by outcome",
        "Attempts a second, by outcome.",
        {"{{outcome}}": rate('tidings_deliveries_total{channel=~"$channel", queue=~"$queue"}', "outcome")},
        unit="ops",
        width=12,
        style="stacked",
    ),
    Lines(
        "Lateness",
        "From the due time of a message to the start of its attempt.",
        {**quantiles('tidings_lateness_seconds_bucket{queue=~"$queue"}'), "behind": "max(tidings_behind_seconds)"},
        unit="s",
        width=12,
        style="logarithmic",
    ),
    Lines(
        "Waiting by queue",
        "For their due time or for room; counted up to 100,000 at each priority.",
        {"{{queue}}": 'max by (queue) (tidings_messages_waiting{queue=~"$queue"})'},
        style="stacked",
    ),
    Lines(
        "Due and processing",
        "Messages that could be claimed now, and messages that are claimed.",
        {
            "due {{queue}}": 'max by (queue) (tidings_messages_due{queue=~"$queue"})',
            "processing {{queue}}": 'max by (queue) (tidings_messages_processing{queue=~"$queue"})',
        },
    ),
    Lines(
        "Accepted and cancelled",
        "Messages a second that were stored, and that will not be delivered.",
        {
            "accepted": rate("tidings_messages_accepted_total"),
            "cancelled: {{reason}}": rate("tidings_messages_cancelled_total", "reason"),
        },
        unit="ops",
    ),
    Row("Channels and queues"),
    Lines(
        "Deliveries by channel",
        "Attempts a second.",
        {"{{channel}}": rate('tidings_deliveries_total{channel=~"$channel"}', "channel")},
        unit="ops",
        style="stacked",
    ),
    Lines(
        "Deliveries by queue",
        "Attempts a second.",
        {"{{queue}}": rate('tidings_deliveries_total{queue=~"$queue"}', "queue")},
        unit="ops",
        style="stacked",
    ),
    Lines(
        "Share that fails",
        "Of the attempts of a channel.",
        {
            "{{channel}}": rate('tidings_deliveries_total{channel=~"$channel", outcome!="accepted"}', "channel")
            + " / "
            + rate('tidings_deliveries_total{channel=~"$channel"}', "channel")
        },
        unit="percentunit",
    ),
    Lines(
        "Seconds of a delivery",
        "From the start of an attempt to its outcome.",
        quantiles('tidings_delivery_seconds_bucket{channel=~"$channel"}', "channel", "{{channel}} "),
        unit="s",
        width=12,
        style="logarithmic",
    ),
    Lines(
        "Breakers",
        "Destinations that get nothing for a while, since they kept failing.",
        {"{{channel}} {{state}}": 'sum by (channel, state) (tidings_breakers{channel=~"$channel"})'},
        width=6,
    ),
    Lines(
        "Taken in without an attempt",
        "Messages a second that were returned to wait, or that a lost consumer had delivered.",
        {"{{why}}": rate("tidings_messages_untried_total", "why")},
        unit="ops",
        width=6,
    ),
    Row("Consumers and producers"),
    Lines(
        "Concurrency",
        "Deliveries in flight, how many there may be, and messages that wait for one to end.",
        {
            "in flight": "sum(tidings_in_flight)",
            "slow": "sum(tidings_in_flight_slow)",
            "waiting": "sum(tidings_in_line)",
            "limit": "sum(tidings_places)",
            "outcomes not recorded": "sum(tidings_outcomes_waiting)",
        },
    ),
    Lines(
        "Batches",
        "Per second; and those that are open.",
        {
            "pushed": rate("tidings_batches_pushed_total"),
            "taken": rate("tidings_batches_taken_total"),
            "open": "sum(tidings_batches_open)",
        },
    ),
    Lines(
        "Lost and reclaimed",
        "In the last five minutes: leases that ran out, batches reclaimed, and what became of their messages.",
        {
            "leases lost": "sum(increase(tidings_leases_lost_total[5m]))",
            "batches reclaimed": "sum(increase(tidings_batches_reclaimed_total[5m]))",
            "messages {{how}}": "sum by (how) (increase(tidings_messages_reconciled_total[5m]))",
        },
    ),
    Lines(
        "Messages per batch",
        "How full the batches are: 100 at most, unless set otherwise.",
        {"messages": f"{rate('tidings_messages_pushed_total')} / {rate('tidings_batches_pushed_total')}"},
    ),
    Lines(
        "Stores",
        "The share of processes to which the store responds.",
        {"{{store}}": "avg by (store) (tidings_store_up)"},
        unit="percentunit",
    ),
    Lines(
        "Clocks",
        "How far the machines' clocks are ahead of Postgres's, which counts. Below 0: behind.",
        by_process("tidings_clock_ahead_seconds"),
        unit="s",
    ),
    Lines(
        "Processes",
        "Those that respond, and the consumers that accept batches.",
        {"{{job}}": "sum by (job) (up)", "accepting": "sum(tidings_accepting)"},
    ),
    Row("API"),
    Lines(
        "Requests",
        "Per second, by status.",
        {"{{status}}": rate(f"tidings_api_requests_total{{{_NO_PROBES}}}", "status")},
        unit="reqps",
        style="stacked",
    ),
    Lines(
        "Requests by route",
        "Per second.",
        {"{{method}} {{route}}": f"topk(8, {rate(f'tidings_api_requests_total{{{_NO_PROBES}}}', 'method, route')})"},
        unit="reqps",
    ),
    Lines(
        "Seconds of a request",
        "From its head to its answer.",
        quantiles(f"tidings_api_request_seconds_bucket{{{_NO_PROBES}}}"),
        unit="s",
        style="logarithmic",
    ),
    Lines(
        "Receipts",
        "What came back about messages, per second: by where it came from and what became of it.",
        {
            "{{source}} {{result}}": rate("tidings_receipts_total", "source, result"),
            "waiting": "sum(tidings_receipts_waiting)",
        },
        width=24,
    ),
    Row("Processes and logs"),
    Lines("CPU", "Cores in use, by process.", by_process("rate(process_cpu_seconds_total[$__rate_interval])")),
    Lines("Memory", "Resident, by process.", by_process("process_resident_memory_bytes"), unit="bytes"),
    Lines("Open files", "Sockets too, by process.", by_process("process_open_fds")),
    Logs(
        "Warnings and errors",
        "Of all processes. The ids of messages, batches and traces are fields to filter by.",
        '{service=~"api|producer|consumers", level=~"warning|error|critical"} | json',
    ),
]
