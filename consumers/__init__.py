"""The consumers: take batches, deliver their messages through channels, record the outcomes.

worker: the arq worker and its job · consumer: one consumer and the way of a batch · dispatcher: what starts when ·
delivery: the life cycle of one delivery · limiter, turns: who goes, who waits; destination, breaker, verdict: what is
known of a destination; capacity, ageing, room: what a consumer may hold · pace, paced_line, paces: rates by endpoint
· leases, slots, listener, senders: batches, offers, notifications, users · outcomes, recorder, dedup: what is
recorded, in Postgres and in Redis · metrics, report: what is shown. May import `sql` and `tidings`, except
`tidings.cli`; never `api` or `producer`.

`arq consumers.WorkerSettings` runs the worker under arq's own command line; `tidings consumer` runs the same worker and
builds it again when Redis drops.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    # Made when arq asks for it, since it reads the environment.
    if name == "WorkerSettings":
        from consumers.worker import make_worker_settings  # noqa: PLC0415

        return make_worker_settings()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
