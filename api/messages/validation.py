"""From a decoded request to a message: the checks that types cannot express. Every fault is named."""

import re
from collections.abc import Container, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import UNSET

from api.http.principal import Principal
from api.http.problems import Fault, InvalidError
from api.messages.schemas import MessageRequest
from sql.queues import QueueStore
from tidings.channels.installed import channel_names, recipients
from tidings.channels.recipient import RecipientError
from tidings.domain.errors import SettingsError
from tidings.domain.headers import HeaderError, check_headers
from tidings.domain.ids import new_id
from tidings.domain.message import NewMessage, Priority
from tidings.domain.timestamps import TimestampError, parse_timestamp
from tidings.domain.turns import share_of
from tidings.observability import tracing
from tidings.settings import Settings

HORIZON: Final = timedelta(days=3650)
"""How far from now a due time may be, both ways; farther is taken for a mistake of units."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PRIORITIES: Final[dict[str | int, Priority]] = {
    **{priority.name.lower(): priority for priority in Priority},
    **{priority.value: priority for priority in Priority},
}

Faults = dict[str, str]
"""What is wrong, by field."""


class QueueNames:
    """The names of the queues, as this process knows them: no round trip for those in use.

    Queues are never removed, so a known name stays good; only an unknown one is worth a query.
    """

    def __init__(self, store: QueueStore) -> None:
        self._store = store
        self._names: frozenset[str] = frozenset()

    async def among(self, wanted: Iterable[str]) -> frozenset[str]:
        """All names; read again where one of the wanted is not among them."""
        if not self._names.issuperset(wanted):
            self._names = frozenset(queue.name for queue in await self._store.list())
        return self._names


def to_message(request: MessageRequest, *, queues: Container[str], max_tries: int, principal: Principal) -> NewMessage:
    """The message, with an id, ready for the store. Raises InvalidError, also for what the principal may not do."""
    message_id = new_id()
    # The id's own time, so that a filter on created_at, which the store answers by id, agrees with what is shown.
    created_at = datetime.fromtimestamp((message_id.int >> 80) / 1000, UTC)
    faults: Faults = {}
    recipient = _recipient(request, principal, faults)
    # What is past is now: nobody goes before others by an old due time.
    due_at = max(_due_at(request, created_at, faults), created_at)
    expires_at = _expires_at(request, due_at, faults)
    priority = _priority(request, principal, faults)
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
        share=share_of(principal.user_id, None if request.fairness_key is UNSET else request.fairness_key),
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


def _priority(request: MessageRequest, principal: Principal, faults: Faults) -> Priority | None:
    priority = _PRIORITIES.get(request.priority)
    if priority is None:
        faults["priority"] = "must be high, normal or low (or 0, 1, 2)"
    if not principal.may_prioritize:
        if priority is Priority.HIGH:
            faults["priority"] = "high is a right that an admin gives"
        if request.fairness_key is not UNSET:
            faults["fairness_key"] = "is a right that an admin gives"
    return priority


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
    due_at = _timestamp("due_at", request.due_at, faults) or now
    if abs(due_at - now) > HORIZON:
        faults["due_at"] = "is more than ten years away"
    return due_at


def _expires_at(request: MessageRequest, earliest: datetime, faults: Faults) -> datetime | None:
    expires_at = _timestamp("expires_at", request.expires_at, faults)
    if expires_at is not None and expires_at <= earliest:
        faults["expires_at"] = "must be in the future, and after due_at"
    return expires_at


def _timestamp(field: str, value: str | int | float | None, faults: Faults) -> datetime | None:
    """None where there is none, or none that can be read."""
    try:
        return None if value is None else parse_timestamp(value)
    except TimestampError as error:
        faults[field] = str(error)
        return None
