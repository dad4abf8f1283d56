"""Many messages at once, as a client asks for it and as it is answered."""

from typing import Final

from api.messages.selection import Changed
from tidings.domain.message import DEFAULT_QUEUE

CANCEL: Final = {
    "what waits in a queue": {"queue": "newsletter"},
    "what waits for somebody": {"recipient": "+905551111111", "channel": "sms"},
    "all that waits": {"all": True},
}
RETRY: Final = {
    "what ran out of tries since a moment": {"cancel_reason": "exhausted", "created_from": "2030-01-31T00:00:00Z"},
    "what failed in a queue": {"queue": DEFAULT_QUEUE, "status": "failed"},
}
CHANGED: Final = Changed(count=412, more=False)
