"""`python -m benchmarks`: all figures, in the order of their numbers, and what each is to reach."""

from benchmarks import (
    bad_receivers,
    bulk_changes,
    bulk_intake,
    claim,
    cpu,
    dead_path,
    fairness,
    filters,
    https_hosts,
    intake,
    latency,
    lateness,
    limited_receiver,
    mail,
    many_queues,
    memory,
    python_client,
    queue_comparison,
    receipts,
    round_trips,
    steady,
    throughput,
)
from benchmarks.rig.figure import Figure, Goal
from benchmarks.rig.running import main

FIGURES = (
    Figure(
        number=1,
        title="delivered messages a second",
        measure=throughput.measure,
        goals=[
            Goal(
                what="delivered by two consumers, to a bare aiohttp client",
                measured="tidings, 2 consumers (messages/s)",
                reference="bare aiohttp client (messages/s)",
                at_least=1.3,
            ),
        ],
    ),
    Figure(
        number=2,
        title="delivered messages a second, beside other queues",
        measure=queue_comparison.measure,
        goals=[
            Goal(
                what=f"delivered, to {theirs} with one job per message",
                measured="tidings, best (messages/s)",
                reference=f"{theirs}, best (messages/s)",
                at_least=ratio,
            )
            for theirs, ratio in (("arq", 6), ("PgQueuer", 1.3), ("graphile-worker", 1.4))
        ],
    ),
    Figure(
        number=3,
        title="CPU time of a delivered message",
        measure=cpu.measure,
        goals=[
            Goal(
                what="CPU of our processes and the stores for a message, to the bare client's for a request",
                measured="tidings: all of it (µs)",
                reference="bare aiohttp client (µs)",
                at_most=1.35,
            )
        ],
    ),
    Figure(
        number=4,
        title="lateness of messages spread over 30 s",
        measure=lateness.measure,
        goals=[
            Goal(what="lateness, median", measured="median lateness (ms)", at_most=10),
            Goal(what="lateness, 99th percentile", measured="99th percentile (ms)", at_most=50),
            Goal(what="none early", measured="earliest (ms)", at_least=0),
        ],
    ),
    Figure(
        number=5,
        title="from POST to receiver, idle",
        measure=latency.measure,
        goals=[
            Goal(what="POST to receiver, idle, median", measured="median (ms)", at_most=25),
            Goal(what="POST to receiver, idle, 99th percentile", measured="99th percentile (ms)", at_most=60),
        ],
    ),
    Figure(
        number=6,
        title="accepted messages a second, single POSTs",
        measure=intake.measure,
        goals=[
            Goal(
                what="accepted by single POSTs, to the same application without a store",
                measured="with its store (messages/s)",
                reference="without a store (messages/s)",
                at_least=0.6,
            )
        ],
    ),
    Figure(
        number=7,
        title="accepted messages a second, batches of 500",
        measure=bulk_intake.measure,
        goals=[
            Goal(
                what="accepted in batches of 500, to COPY of the same rows",
                measured="through the API (messages/s)",
                reference="COPY, 500 a commit (messages/s)",
                at_least=0.35,
            )
        ],
    ),
    Figure(
        number=8,
        title="round trips of a delivered message",
        measure=round_trips.measure,
        rounds=1,
        goals=[
            goal
            for store, unit, limit in (("Redis", "commands", 1.5), ("Postgres", "statements", 0.1))
            for goal in (
                *(
                    Goal(
                        what=f"{store} {unit} a message at {consumers} consumers, to 1 consumer",
                        measured=f"{consumers} consumers: {store} ({unit}/message)",
                        reference=f"1 consumers: {store} ({unit}/message)",
                        at_most=1.2,
                    )
                    for consumers in (4, 16, 32)
                ),
                Goal(
                    what=f"{store} {unit} a message at 32 consumers",
                    measured=f"32 consumers: {store} ({unit}/message)",
                    at_most=limit,
                ),
            )
        ],
    ),
    Figure(
        number=9,
        title="latency of a claim of 1,000",
        measure=claim.measure,
        rounds=1,
        goals=[
            Goal(
                what=f"claim of 1,000 with {what}, to 10,000 rows",
                measured=f"{what}: median claim (ms)",
                reference="10,000 finished rows: median claim (ms)",
                at_most=1.5,
            )
            for what in (
                "100,000 finished rows",
                "1,000,000 finished rows",
                "5,000,000 finished rows",
                "a transaction held open",
                "a transaction held open, last fifth",
            )
        ],
    ),
    Figure(
        number=10,
        title="messages a second to good receivers beside a bad one",
        measure=bad_receivers.measure,
        goals=[
            Goal(
                what=f"to good receivers while 30 % goes to one that {how}, to no bad receiver",
                measured=f"30 % to one that {how} (messages/s)",
                reference="no bad receiver (messages/s)",
                at_least=0.9,
            )
            for how in ("hangs", "refuses")
        ]
        + [
            Goal(
                what="to 1,000 good hosts while 1,000 others hang, to the good ones alone",
                measured="good hosts, as many hang: messages a second (messages/s)",
                reference="good hosts, alone: messages a second (messages/s)",
                at_least=0.8,
            ),
            Goal(
                what="lateness to good hosts while as many hang, 99th percentile",
                measured="good hosts, as many hang: 99th percentile of lateness (ms)",
                at_most=1_000,
            ),
            Goal(
                what="slowest `high` message of another queue meanwhile",
                measured="good hosts, as many hang: `high` in another queue, slowest (ms)",
                at_most=1_000,
            ),
        ],
    ),
    Figure(
        number=11,
        title="mails a second over SMTP",
        measure=mail.measure,
        goals=[
            Goal(
                what="mails a second over kept connections, to a new connection for each mail",
                measured=f"{mail.WAYS['kept']} (mails/s)",
                reference=f"{mail.WAYS['new']} (mails/s)",
                at_least=4,
            ),
            Goal(
                what="mails a second by 100 accounts, to one account",
                measured=f"{mail.ACCOUNTS} (mails/s)",
                reference=f"{mail.WAYS['kept']} (mails/s)",
                at_least=0.5,
            ),
            Goal(
                what="memory while mails with 10 MB attached are sent",
                measured=f"{mail.LARGE}: most memory (MB)",
                at_most=450,
            ),
        ],
    ),
    Figure(
        number=12,
        title="memory",
        measure=memory.measure,
        goals=[
            Goal(
                what="resident memory of a consumer with 1,000 in flight",
                measured="consumer, 1,000 in flight (MB)",
                at_most=150,
            ),
            Goal(
                what="Redis with 10⁶ messages waiting, above empty",
                measured="Redis, above empty (MB)",
                at_most=20,
            ),
        ],
    ),
    Figure(number=13, title="messages that come due at a steady rate", measure=steady.measure, goals=[]),
    Figure(
        number=14,
        title="one user's flood, and the others",
        measure=fairness.measure,
        goals=[
            Goal(
                what="another user's message during a flood, 99th percentile",
                measured="single messages, normal: 99th percentile (ms)",
                at_most=1000,
            ),
            Goal(
                what="another user's `low` message during a flood, 99th percentile",
                measured="single messages, low: 99th percentile (ms)",
                at_most=10_000,
            ),
            Goal(
                what="the flood with others beside it, to the flood by itself",
                measured="the flood, others beside (messages/s)",
                reference="the flood, nobody else (messages/s)",
                at_least=0.9,
            ),
        ],
    ),
    Figure(
        number=15,
        title="one dead path of a host",
        measure=dead_path.measure,
        goals=[
            Goal(
                what=f"time of the others of a host while one of its paths {how}, to no dead path",
                measured=f"dead path: {how}, the others of its host (s)",
                reference="dead path: none, the others of its host (s)",
                at_most=1.2,
            )
            for how in ("says 503", "hangs")
        ],
    ),
    Figure(
        number=16,
        title="a receiver that takes five messages a second",
        measure=limited_receiver.measure,
        rounds=1,
        goals=[
            goal
            for consumers in ("1 consumer", "2 consumers")
            for goal in (
                Goal(
                    what=f"taken of what the receiver allows, {consumers}",
                    measured=f"{consumers}: taken of what is allowed (%)",
                    at_least=90,
                ),
                Goal(
                    what=f"answered 429, {consumers}",
                    measured=f"{consumers}: answered 429 (%)",
                    at_most=2,
                ),
                Goal(
                    what=f"exhausted meanwhile, {consumers}",
                    measured=f"{consumers}: exhausted (messages)",
                    at_most=0,
                ),
            )
        ],
    ),
    Figure(number=17, title="2,000 hosts over https", measure=https_hosts.measure, rounds=1, goals=[]),
    Figure(
        number=18,
        title="a page of a list, by every filter",
        measure=filters.measure,
        rounds=1,
        goals=[
            Goal(
                what=f"every filter and pair of filters with {rows}, 99th percentile",
                measured=f"{rows}, every filter and pair: 99th percentile (ms)",
                at_most=50,
            )
            for rows in ("10,000 rows", "1,000,000 rows", "10,000,000 rows")
        ]
        + [
            goal
            for rows in ("1,000,000 rows", "10,000,000 rows")
            for goal in (
                Goal(
                    what=f"indexes that lists alone need, with {rows}",
                    measured=f"{rows}, indexes of lists (bytes/message)",
                    at_most=60,
                ),
                Goal(
                    what=f"a POST while 16 clients list, with {rows}, 99th percentile",
                    measured=f"{rows}, a POST while 16 clients list: 99th percentile (ms)",
                    at_most=50,
                ),
            )
        ],
    ),
    Figure(
        number=19,
        title="100,000 messages cancelled, and retried",
        measure=bulk_changes.measure,
        rounds=1,
        goals=[
            Goal(what=f"{action} 100,000 of a million and more", measured=f"{action} 100,000 (s)", at_most=5)
            for action in ("cancel", "retry")
        ],
    ),
    Figure(
        number=20,
        title="from POST to receiver beside 10,000 empty queues",
        measure=many_queues.measure,
        rounds=1,
        goals=[
            Goal(
                what="POST to receiver with 10,000 queues, to one queue",
                measured="10,000 queues: POST to receiver, median (ms)",
                reference="1 queues: POST to receiver, median (ms)",
                at_most=1.5,
            )
        ],
    ),
    Figure(
        number=21,
        title="receipts kept a second",
        measure=receipts.measure,
        goals=[
            Goal(what="receipts kept a second", measured="receipts kept (receipts/s)", at_least=10_000),
            Goal(
                what="the index by which they find their messages",
                measured="its index (bytes/message)",
                at_most=40,
            ),
        ],
    ),
    Figure(
        number=22,
        title="accepted messages a second by the client for Python",
        measure=python_client.measure,
        goals=[
            Goal(
                what="accepted by `send_many`, to batches of 500 that are ready",
                measured="by the client (messages/s)",
                reference="ready batches (messages/s)",
                at_least=0.7,
            )
        ],
    ),
)

if __name__ == "__main__":
    main(*FIGURES)
