"""The fifteen sample messages of `tidings up --demo`: posted once, then watched until the last one is delivered.

They are posted with idempotency keys, so that a crash in the middle, or a second start, adds none twice; and not at all
where the database knows their recipient already, since keys do not live for ever.
"""

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from tidings.cli.client import ApiClient, ApiError
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now

RECIPIENT: Final = "+1202555{:04}"
"""Numbers 555-0100 to 555-0199 are reserved for fiction."""
FIRST_RECIPIENT: Final = 101

TEXTS: Final = (
    "Welcome! This is the first of fifteen sample messages.",
    "Your parcel leaves the depot today.",
    "Your parcel is two stops away.",
    "Your parcel was left with a neighbour.",
    "Reminder: the dentist, tomorrow at 9:30.",
    "Your table for two is booked for Friday at 20:00.",
    "The library misses three of your books.",
    "Your train leaves from platform 4.",
    "Your train is five minutes late.",
    "Your code is 481 516. Tell it to nobody.",
    "Sunny today, 24 °C; take a hat.",
    "Rain from noon on; take an umbrella.",
    "Your subscription renews next week.",
    "Thank you for your order of 15 notebooks.",
    "That was the last one. Try: tidings send +12025550101 Hello",
)
SPREAD_SECONDS: Final = 0.7
"""Time from one message's due time to the next one's."""
POLL_SECONDS: Final = 0.5


async def post_samples(api: ApiClient) -> list[str]:
    """Posts the sample messages that are not there yet; returns the ids of the posted ones."""
    known = await api.get("/api/v1/messages", {"recipient": _recipient(len(TEXTS)), "limit": "1"})
    if known["messages"]:
        return []
    start = utc_now()
    ids = []
    for number, text in enumerate(TEXTS, start=1):
        message = {
            "channel": "sms",
            "recipient": _recipient(number),
            "content": text,
            "due_at": (start + timedelta(seconds=SPREAD_SECONDS * number)).isoformat(),
        }
        try:
            accepted = await api.post("/api/v1/messages", message, key=f"demo-{number}")
        except ApiError as error:
            # The key was used before, with another due time: a run that was cut short posted it.
            if error.status not in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
                raise
        else:
            ids.append(accepted["id"])
    return ids


async def delivered(api: ApiClient, ids: list[str]) -> None:
    """Returns when each of these messages was delivered, and where a gateway reports that, has a receipt."""
    waiting = set(ids)
    while waiting:
        for message_id in sorted(waiting):
            message = await api.get(f"/api/v1/messages/{message_id}")
            reported = message.get("gateway") is None or message["receipt"] is not None
            if message["status"] == Status.SENT and reported:
                waiting.discard(message_id)
        if waiting:
            await asyncio.sleep(POLL_SECONDS)


def _recipient(number: int) -> str:
    return RECIPIENT.format(FIRST_RECIPIENT + number - 1)
