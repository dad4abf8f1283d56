"""The answer to "why is it not sent?", as clients read it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from tidings.domain.states import HeldReason, Status


class Reason(StrEnum):
    """Why a message is where it is; of several, the one that has to end first."""

    SENT = "sent"
    NOT_DUE = "not_due"
    QUEUE_STOPPED = "queue_stopped"
    PACED = "paced"
    """Its queue lets no more go before the next interval."""
    REDIS_AWAY = "redis_away"
    NO_PRODUCER = "no_producer"
    NO_CONSUMER = "no_consumer"
    WAITING_FOR_ROOM = "waiting_for_room"
    """The consumers, or its destination, can take no more at present."""
    WAITING_FOR_TURN = "waiting_for_turn"
    """It is due, and so are others that go first."""
    HELD = "held"
    """An account, a gateway, a rate or somebody has to let it go; `held_reason` says which."""
    BREAKER_OPEN = "breaker_open"
    """Its destination failed so often that nothing is sent there for a while."""
    CLAIMED = "claimed"
    """On its way to a consumer that has not taken it up yet."""
    LEASED = "leased"
    """A consumer has it."""
    LOST = "lost"
    """The consumer that has it gives no sign of life."""
    RETRYING = "retrying"
    """The last attempt failed; another one follows."""
    EXPIRED = "expired"
    REJECTED = "rejected"
    EXHAUSTED = "exhausted"
    POISON = "poison"
    REQUESTED = "requested"
    """Somebody cancelled it."""
    SUPPRESSED = "suppressed"
    """Its recipient takes no more mail of its user."""
    DELETED = "deleted"
    """Its user was deleted."""


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """What will happen next."""

    what: Annotated[str, Meta(description="In a sentence.")]
    at: Annotated[datetime | None, Meta(description="When; null where nobody can know.")]


class LastTry(msgspec.Struct, frozen=True, kw_only=True):
    """How the last attempt went."""

    number: int
    started_at: datetime
    consumer: str
    status_code: int | None
    error: str | None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the explanation rests on."""

    status: Status
    queue: str
    queue_active: bool
    channel: str
    destination: Annotated[
        str | None, Meta(description="The receiver, as consumers name it; null where the API cannot know it.")
    ]
    due_at: datetime
    expires_at: datetime | None
    held_reason: HeldReason | None
    held_since: datetime | None
    tries: int
    max_tries: int
    recoveries: Annotated[int, Meta(description="How often it was lost with its consumer.")]
    consumer: Annotated[str | None, Meta(description="Who has it, or is to get it.")]
    batch_size: Annotated[int | None, Meta(description="How many messages travel with it, itself included.")]
    lease_until: datetime | None
    last_try: LastTry | None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a message is not sent, or that it is."""

    reason: Reason
    summary: Annotated[str, Meta(description="In a sentence or two.")]
    next: Annotated[Next | None, Meta(description="Null where nothing more will happen by itself.")]
    facts: Facts
