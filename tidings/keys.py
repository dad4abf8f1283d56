"""Every Redis key of tidings, what it holds and how long it lives.

Losing any of them at any moment loses no message: Postgres is the truth.
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


def delivery_record(message_id: UUID) -> str:
    """What the far side accepted, written before Postgres knows it; lives `REDIS_TTL` seconds."""
    return f"sent:{message_id}"


PRODUCER_HEARTBEAT: Final = "tidings:producer"
"""Set every second by each producer, with a life of 5 s: somebody claims."""

OFFER_LIFE_SECONDS: Final = 5.0
"""An older offer is a dead consumer's."""
