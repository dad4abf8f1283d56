"""What each method asks for, once for both clients: a call says what goes out and how the answer is read.

Pure: the clients send, wait and try again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

from tidings_client._decoding import decode
from tidings_client._encoding import encode, given, time_text
from tidings_client.models import (
    Attempt,
    Changed,
    Event,
    EventDetail,
    Explanation,
    Filter,
    ListFilter,
    Message,
    Queue,
    QueueFields,
)
from tidings_client.paths import EVENTS, MESSAGES, QUEUES, of_message, of_queue

if TYPE_CHECKING:
    from tidings_client.models import EventFields, More

T = TypeVar("T")
U = TypeVar("U")
Id = str | UUID

KEY_HEADER: Final = "Idempotency-Key"
PAGE: Final = 100
MOST_CHANGED: Final = 10_000
"""Messages that one request cancels or retries."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[Any], T]
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    key: str | None = None
    repeatable: bool = False
    """Whether it may go out again though an earlier one may have been done: that does nothing twice."""

    @property
    def headers(self) -> dict[str, str]:
        """Of the request, besides those that are the same for all."""
        headers = {} if self.body is None else {"Content-Type": "application/json"}
        if self.key is not None:
            headers[KEY_HEADER] = self.key
        return headers


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list."""

    entries: Sequence[T]
    cursor: str | None
    """Names the next page; None on the last one."""


def raw(method: str, path: str, query: Mapping[str, Any] | None, body: object, key: str | None) -> Call[Any]:
    """Any request, answered as JSON."""
    return Call(
        method,
        path,
        lambda answer: answer,
        query=_texts(query or {}),
        body=None if body is None else encode(body),
        key=key,
        repeatable=method in {"GET", "HEAD"} or key is not None,
    )


def send(channel: str, recipient: str, content: str | None, more: More, key: str | None) -> Call[Message]:
    """Hands in a message."""
    body = given({"channel": channel, "recipient": recipient, "content": content, **more})
    return _keyed(MESSAGES, encode(body), key or str(uuid4()), _one(Message))


def batch(body: bytes, key: str) -> Call[Mapping[str, Any]]:
    """Hands in many messages; `body` is the request as it is sent. The answer stays JSON: few look at all the ids."""
    return _keyed(f"{MESSAGES}/batch", body, key, lambda answer: answer)


def get(message_id: Id) -> Call[Message]:
    """One message."""
    return _get(of_message(message_id), _one(Message))


def page(wanted: ListFilter, limit: int, cursor: str | None) -> Call[Page[Message]]:
    """A page of messages, newest first."""
    query = _texts({**wanted, "limit": limit, "cursor": cursor})
    return _get(
        MESSAGES,
        lambda answer: Page([decode(Message, each) for each in answer["messages"]], answer["next_cursor"]),
        query,
    )


def attempts(message_id: Id) -> Call[Sequence[Attempt]]:
    """The attempts of a message, oldest first."""
    return _get(of_message(message_id, "/attempts"), _many(Attempt, "attempts"))


def explain(message_id: Id) -> Call[Explanation]:
    """Why a message is not sent."""
    return _get(of_message(message_id, "/explain"), _one(Explanation))


def cancel(message_id: Id) -> Call[Message]:
    """Cancels a message. One that is cancelled already stays as it is, so this may be repeated."""
    return replace(_post(of_message(message_id, "/cancel"), _one(Message)), repeatable=True)


def retry(message_id: Id) -> Call[Message]:
    """Starts a message again. Done twice it could send it twice."""
    return _post(of_message(message_id, "/retry"), _one(Message))


def cancel_all(wanted: Filter, everything: bool) -> Call[Changed]:
    """Cancels up to 10,000 messages."""
    return replace(_post(f"{MESSAGES}/cancel", _one(Changed), _selection(wanted, everything)), repeatable=True)


def retry_all(wanted: Filter, everything: bool, cancel_reason: str | None) -> Call[Changed]:
    """Starts up to 10,000 messages again."""
    selection = {**_selection(wanted, everything), "cancel_reason": cancel_reason}
    return _post(f"{MESSAGES}/retry", _one(Changed), given(selection))


def send_event(event_type: str, payload: object, more: EventFields) -> Call[Event]:
    """Hands in an event. Its id is its idempotency key."""
    body = {**given(more), "id": more.get("id") or str(uuid4()), "type": event_type, "payload": payload}
    return replace(_post(EVENTS, _one(Event), body), repeatable=True)


def event(event_id: Id) -> Call[EventDetail]:
    """One event."""
    return _get(f"{EVENTS}/{quote(str(event_id), safe='')}", _one(EventDetail))


def queues() -> Call[Sequence[Queue]]:
    """All queues."""
    return _get(QUEUES, _many(Queue, "queues"))


def queue(name: str) -> Call[Queue]:
    """One queue."""
    return _get(of_queue(name), _one(Queue))


def put_queue(name: str, wanted: QueueFields) -> Call[Queue]:
    """Makes a queue or changes it; the same again changes nothing more."""
    return Call("PUT", of_queue(name), _one(Queue), body=encode(wanted), repeatable=True)


def switch_queue(name: str, active: bool) -> Call[Queue]:
    """Starts or stops a queue."""
    return replace(_post(of_queue(name, "/start" if active else "/stop"), _one(Queue)), repeatable=True)


def _get(path: str, read: Callable[[Any], T], query: Mapping[str, str] | None = None) -> Call[T]:
    return Call("GET", path, read, query=query or {}, repeatable=True)


def _post(path: str, read: Callable[[Any], T], body: object = None) -> Call[T]:
    return Call("POST", path, read, body=None if body is None else encode(body))


def _keyed(path: str, body: bytes, key: str, read: Callable[[Any], T]) -> Call[T]:
    return Call("POST", path, read, body=body, key=key, repeatable=True)


def _one(kind: type[U]) -> Callable[[Any], U]:
    return lambda answer: decode(kind, answer)


def _many(kind: type[U], name: str) -> Callable[[Any], Sequence[U]]:
    return lambda answer: tuple(decode(kind, each) for each in answer[name])


def _selection(wanted: Filter, everything: bool) -> dict[str, Any]:
    return given({**wanted, "all": everything or None, "limit": MOST_CHANGED})


def _texts(query: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in query.items() if value is not None}


def _text(value: Any) -> str:
    return time_text(value) if hasattr(value, "isoformat") else str(value)


def decoded(body: bytes) -> Any:
    """The JSON of an answer; None where it has none."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
