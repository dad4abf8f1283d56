"""Messages to test with."""

from typing import Any
from uuid import UUID

from sql.batches import Offer
from sql.changes import Steps
from sql.store import Store
from tidings.domain.ids import new_id
from tidings.domain.message import Delivery, Hold, NewMessage, Priority
from tidings.domain.states import HeldReason
from tidings.domain.timestamps import utc_now

_SAME: dict[str, Any] = {
    "user_id": None,
    "queue": "default",
    "channel": "echo",
    "recipient": "somebody",
    "subject": None,
    "content": "hello",
    "headers": None,
    "max_tries": 5,
    "expires_at": None,
}


def new_message(**changes: Any) -> NewMessage:
    """A valid message of channel `echo`, due now."""
    now = utc_now()
    values = {**_SAME, "id": new_id(), "priority": Priority.NORMAL, "due_at": now, "created_at": now}
    return NewMessage(**{**values, **changes})


def new_delivery(**changes: Any) -> Delivery:
    """What a consumer sees of such a message."""
    now = utc_now()
    own = {"id": new_id(), "batch_id": new_id(), "tries": 0, "recoveries": 0, "due_at": now, "created_at": now}
    return Delivery(**{**_SAME, **own, **changes})


def new_hold(**changes: Any) -> Hold:
    """An endpoint that is held for everybody."""
    values = {
        "id": new_id(),
        "channel": "webhook",
        "endpoint": "https://example.com/gone",
        "user_id": None,
        "reason": HeldReason.ENDPOINT_DISABLED,
        "since": utc_now(),
        "last_error": "HTTP 410 Gone",
    }
    return Hold(**{**values, **changes})


async def keep(store: Store, count: int = 1, **changes: Any) -> list[UUID]:
    """Keeps that many messages; returns their ids, oldest first."""
    messages = [new_message(**changes) for _ in range(count)]
    await store.messages.insert(messages)
    return [message.id for message in messages]


def offers(count: int = 1, consumer: str = "consumer") -> list[Offer]:
    """Room for that many batches."""
    return [Offer(new_id(), consumer) for _ in range(count)]


DEFAULT_CLAIM_LANES = [(priority.value, "default") for priority in Priority]


async def changed(steps: Steps) -> int:
    """Goes through a bulk change; returns how many messages it has changed."""
    count = 0
    while not steps.done:
        count += await steps.step(10)
    return count


async def sent_by(store: Store, message_id: UUID, gateway: str | None, provider_message_id: str | None) -> None:
    """A kept message becomes one that a gateway took under an id of its own."""
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE messages SET status = 'processing', batch_id = id WHERE id = $1", message_id)
        await connection.execute(
            "UPDATE messages SET status = 'sent', batch_id = NULL, sent_at = now(), gateway = $2,"
            " provider_message_id = $3 WHERE id = $1",
            message_id,
            gateway,
            provider_message_id,
        )
