"""Every Redis key of tidings, what it holds and how long it lives.

Losing any of them at any time loses no message: Postgres is the truth.
"""

from typing import Final
from uuid import UUID

SLOTS: Final = "tidings:slots"
"""Sorted set of offered slots: member `consumer/slot`, score the offer's time (Unix seconds).
Offered again every second by its consumer, so a flushed Redis heals by itself; one over 5 s old is dropped as dead."""


def consumer_queue(consumer: str) -> str:
    """The arq queue (a sorted set) of one consumer; it holds a batch for the few milliseconds until it is picked up.

    arq keeps its health mark beside it, under the same name with `:health-check` added.
    """
    return f"tidings:queue:{consumer}"


def notification_channel(consumer: str) -> str:
    """The channel (PUBLISH, nothing is kept) that notifies a consumer of pushed batches."""
    return f"tidings:notify:{consumer}"


def dedup_record(message_id: UUID) -> str:
    """What the receiver accepted, written before Postgres knows it; lives `REDIS_TTL` seconds."""
    return f"sent:{message_id}"


def provider_record(provider_message_id: str) -> str:
    """The same by the provider's id of the message. Lives as long.

    Not under `sent:` alone, where a provider whose ids are UUIDs could hit the record of another message.
    """
    return f"sent:provider:{provider_message_id}"


def logins(counter: str, whose: str) -> str:
    """How many logins were tried, for one e-mail address (by its hash) or from one client address; lives a minute.

    Accounts made from one client address are counted too.
    """
    return f"tidings:logins:{counter}:{whose}"


def smtp_trials(user_id: UUID) -> str:
    """How many mails a user has sent to themselves to test an SMTP account; lives an hour."""
    return f"tidings:smtp_trials:{user_id}"


def quota(user_id: UUID) -> str:
    """Hash of what a user may still have accepted at present (`level`, at the time `at`); lives until it is full."""
    return f"tidings:quota:{user_id}"


ACCEPTING: Final = "tidings:accepting"
"""Sorted set of the API processes that accept messages of users with a quota, by the time of their last word (Unix
seconds). One that was silent for two minutes is dropped; they share what is counted by each of them."""

ACCEPTING_LIFE_SECONDS: Final = 120

PROBE: Final = "tidings:probe"
"""Written by readiness, metrics and `tidings doctor` to see whether a write is taken."""

PROBE_LIFE_SECONDS: Final = 5

PRODUCER_HEARTBEAT: Final = "tidings:producer"
"""Set every second by each producer, with a life of 5 s: due messages are claimed."""

MARKER: Final = "tidings:marker"
"""How far Postgres had come (`Copy` in producer/guard.py), after each write of the marker there. Lives a month after
the last: without it a restored backup is noticed only where its server, database or tables are other ones."""

MARKER_LIFE_SECONDS: Final = 30 * 86_400

FAILING_DUTIES: Final = "tidings:failing"
"""Hash of what the leading producer fails at: field the duty, value the error. Written with each failure, removed with
the next success; lives an hour after the last failure."""

FAILING_DUTIES_LIFE_SECONDS: Final = 3600

HELD: Final = "tidings:held"
"""How many messages are held, by reason (`HeldReport` in `tidings/observability/reports.py`), counted every 5 s by the
producer that leads. Lives a minute: while nobody leads, nothing is known."""

HELD_LIFE_SECONDS: Final = 60

OFFER_LIFE_SECONDS: Final = 5.0
"""An older offer is a dead consumer's."""

CONSUMERS: Final = "tidings:consumers"
"""Hash of the consumers' reports (`tidings/observability/reports.py`): field the consumer's name, value how it is,
written every second. Lives an hour after the last; a consumer that starts clears away what dead ones left in it."""


def reports(bucket: int) -> str:
    """Hash of what was done in one bucket of 5 s: a field for each consumer. Lives a little over an hour."""
    return f"tidings:reports:{bucket}"


def depths(bucket: int) -> str:
    """What the queues held in one bucket of 5 s, counted by the producer that leads. Lives as long."""
    return f"tidings:depths:{bucket}"
