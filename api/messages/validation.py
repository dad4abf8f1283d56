"""What makes a decoded request a message: the checks that a type cannot say. Every fault of a message is named."""

import re
from collections.abc import Container
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from api.http.principal import Principal
from api.http.problems import Fault, InvalidError
from api.messages.schemas import MessageRequest
from tidings.channels.installed import channel_names, recipients
from tidings.channels.recipient import RecipientError
from tidings.domain.errors import SettingsError
from tidings.domain.headers import HeaderError, check_headers
from tidings.domain.ids import new_id
from tidings.domain.message import NewMessage, Priority
from tidings.domain.timestamps import TimestampError, parse_timestamp
from tidings.observability import tracing
from tidings.settings import Settings

HORIZON: Final = timedelta(days=3650)
"""How far from now a due time may be, both ways; farther is a mistake of units rather than a wish."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PRIORITIES: Final[dict[str | int, Priority]] = {
    **{priority.name.lower(): priority for priority in Priority},
    **{priority.value: priority for priority in Priority},
}

Faults = dict[str, str]
"""What is wrong, by field."""


def to_message(request: MessageRequest, *, queues: Container[str], max_tries: int, principal: Principal) -> NewMessage:
    """The message, with an id, ready for the store. Raises InvalidError, also for what the principal may not do."""
    message_id = new_id()
    # The id's own time, so that a filter on created_at, which the store answers by id, agrees with what is shown.
    created_at = datetime.fromtimestamp((message_id.int >> 80) / 1000, UTC)
    faults: Faults = {}
    recipient = _recipient(request, principal, faults)
    due_at = _due_at(request, created_at, faults)
    expires_at = _expires_at(request, max(due_at, created_at), faults)
    priority = _PRIORITIES.get(request.priority)
    if priority is None:
        faults["priority"] = "must be high, normal or low (or 0, 1, 2)"
    if "\0" in request.content:
        faults["content"] = "must not contain the character U+0000"
    if request.subject is not None and _CONTROL.search(request.subject):
        faults["subject"] = "must be one line without control characters"
    if request.queue not in queues:
        faults["queue"] = "is not a queue"
    if request.headers:
        try:
            check_headers(request.headers)
        except HeaderError as error:
            faults["headers"] = f"cannot be sent: {error}"
    if faults or priority is None:
        raise InvalidError([Fault(field=field, detail=detail) for field, detail in faults.items()])
    return NewMessage(
        id=message_id,
        user_id=principal.user_id,
        queue=request.queue,
        channel=request.channel,
        recipient=recipient,
        subject=request.subject,
        content=request.content,
        headers=tracing.stamped(request.headers),
        priority=priority,
        max_tries=max_tries if request.max_tries is None else request.max_tries,
        due_at=due_at,
        expires_at=expires_at,
        created_at=created_at,
    )


def sealed(message: NewMessage, settings: Settings) -> NewMessage:
    """The message as it may be stored. Raises InvalidError if its recipient is not open here or cannot be sealed."""
    try:
        stored = recipients(message.channel).seal(message.recipient, message.id, settings)
    except RecipientError as error:
        raise InvalidError([Fault(field="recipient", detail=str(error))]) from error
    except SettingsError as error:
        raise InvalidError([Fault(field="channel", detail="needs SECRET_KEYS, which are not set here")]) from error
    return message if stored == message.recipient else msgspec.structs.replace(message, recipient=stored)


@lru_cache(maxsize=8192)
def _checked(channel: str, recipient: str) -> str:
    """A phone number costs 10 µs, a fifth of a request, and the same receivers come again and again."""
    return recipients(channel).check(recipient)


def _recipient(request: MessageRequest, principal: Principal, faults: Faults) -> str:
    if request.channel not in channel_names():
        faults["channel"] = f"must be one of {', '.join(sorted(channel_names()))}"
        return request.recipient
    if not principal.may_use(request.channel):
        faults["channel"] = f"is not among yours, which are: {', '.join(sorted(principal.channels or ())) or 'none'}"
    try:
        return _checked(request.channel, request.recipient)
    except RecipientError as error:
        faults["recipient"] = str(error)
        return request.recipient


def _due_at(request: MessageRequest, now: datetime, faults: Faults) -> datetime:
    if request.due_at is None:
        return now
    try:
        due_at = parse_timestamp(request.due_at)
    except TimestampError as error:
        faults["due_at"] = str(error)
        return now
    if abs(due_at - now) > HORIZON:
        faults["due_at"] = "is more than ten years away"
    return due_at


def _expires_at(request: MessageRequest, earliest: datetime, faults: Faults) -> datetime | None:
    if request.expires_at is None:
        return None
    try:
        expires_at = parse_timestamp(request.expires_at)
    except TimestampError as error:
        faults["expires_at"] = str(error)
        return None
    if expires_at <= earliest:
        faults["expires_at"] = "must be in the future, and after due_at"
    return expires_at
