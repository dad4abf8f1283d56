"""Where things are in the API."""

from typing import Final
from urllib.parse import quote
from uuid import UUID

MESSAGES: Final = "/api/v1/messages"
EVENTS: Final = "/api/v1/events"
QUEUES: Final = "/api/v1/queues"


def of_message(message_id: str | UUID, what: str = "") -> str:
    """The path of a message, or of something of it, whatever was given for its id."""
    return f"{MESSAGES}/{quote(str(message_id), safe='')}{what}"


def of_queue(name: str, what: str = "") -> str:
    """The path of a queue, or of something of it, whatever was given for its name."""
    return f"{QUEUES}/{quote(name, safe='')}{what}"
