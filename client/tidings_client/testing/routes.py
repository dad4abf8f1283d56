"""The API of a fake: requests come in and answers go out as over HTTP, to the same client code that programs use.

It checks less than the API: that a message has what every message must have, and that a key is not another request's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final, cast
from uuid import UUID

import httpx2

from tidings_client._calls import KEY_HEADER
from tidings_client._decoding import decode, parse_time
from tidings_client.models import Event, Facts, ListFilter, Mail, Message, Next, Queue, RetryDelays
from tidings_client.testing.answers import answered, batch, invalid, missing, plain, problem
from tidings_client.testing.faults import Fault
from tidings_client.testing.house import RETRY_DELAYS, House, new_id

_TERMINAL: Final = frozenset({"sent", "cancelled"})
_FIELDS: Final = frozenset(
    {
        *(
            "channel",
            "recipient",
            "content",
            "subject",
            "html",
            "from",
            "account",
            "gateway",
            "smart_encoding",
            "callback_url",
            "cc",
            "bcc",
            "reply_to",
        ),
        *("attachments", "unsubscribe", "headers", "queue", "priority", "fairness_key", "due_at", "expires_at"),
        *("max_tries", "retry"),
    }
)


class InvalidRequest(Exception):  # noqa: N818  never leaves this module
    """What is wrong with a message."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field} {detail}")
        self.field = field
        self.detail = detail


class Api:
    """Answers requests out of a house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.faults: list[Fault] = []
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, or what a fault makes of it."""
        with self._house.lock:
            return self._serve(request)

    def _serve(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if not self.faults:
            return self._answer(request)
        fault = self.faults[0]
        fault.times -= 1
        if fault.times == 0:
            self.faults.pop(0)
        if fault.done:
            self._answer(request)
        return fault.answer(request)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self._house.deliver()
        path = request.url.path.removeprefix("/api/v1/")
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == request.method:
                answer = handler(self, request, *found.groups())
                self._house.deliver()
                return answer
        return problem(HTTPStatus.NOT_FOUND, "the fake has nothing under this path")

    def _send(self, request: httpx2.Request) -> httpx2.Response:
        key, fingerprint = request.headers.get(KEY_HEADER), sha256(request.content).digest()
        if key is not None and key in self._house.keys:
            known, message_id = self._house.keys[key]
            if known != fingerprint:
                return invalid(KEY_HEADER, "was used for another request")
            return answered(self._house.messages[message_id], HTTPStatus.CREATED, replayed=True)
        message = self._read(json.loads(request.content))
        if isinstance(message, InvalidRequest):
            return invalid(message.field, message.detail)
        self._house.keep(message)
        if key is not None:
            self._house.keys[key] = fingerprint, message.id
        return answered(message, HTTPStatus.CREATED)

    def _send_batch(self, request: httpx2.Request) -> httpx2.Response:
        key, fingerprint = request.headers.get(KEY_HEADER), sha256(request.content).digest()
        wanted = json.loads(request.content)["messages"]
        names = [f"{key} {index}/{len(wanted)}" for index in range(len(wanted))]
        if key is not None and names[0] in self._house.keys:
            known = [self._house.keys[name] for name in names]
            if known[0][0] != fingerprint:
                return invalid(KEY_HEADER, "was used for another request")
            return batch([message_id for _, message_id in known], replayed=True)
        read = [self._read(each) for each in wanted]
        messages = [each for each in read if isinstance(each, Message)]
        errors: list[dict[str, object]] = [
            {"index": index, "field": each.field, "detail": each.detail}
            for index, each in enumerate(read)
            if isinstance(each, InvalidRequest)
        ]
        if errors:
            first = f"message {errors[0]['index']}: {errors[0]['field']} {errors[0]['detail']}"
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, first, errors=errors)
        for name, message in zip(names, messages, strict=True):
            self._house.keep(message)
            if key is not None:
                self._house.keys[name] = fingerprint, message.id
        return batch([message.id for message in messages])

    def _read(self, wanted: Mapping[str, Any]) -> Message | InvalidRequest:
        try:
            return self._message(wanted)
        except InvalidRequest as wrong:
            return wrong

    def _message(self, wanted: Mapping[str, Any]) -> Message:
        """Raises InvalidRequest."""
        for name in wanted:
            if name not in _FIELDS:
                raise InvalidRequest(name, "is not a field of this")
        for name in ("channel", "recipient"):
            if not isinstance(wanted.get(name), str) or not wanted[name]:
                raise InvalidRequest(name, "is missing")
        if not wanted.get("content") and not wanted.get("html"):
            raise InvalidRequest("content", "is missing")
        queue = wanted.get("queue", "default")
        if queue not in self._house.queues:
            raise InvalidRequest("queue", "does not exist")
        now = self._house.clock.now
        expires_at = _time(wanted, "expires_at")
        if expires_at is not None and expires_at <= now:
            raise InvalidRequest("expires_at", "is past")
        delays = (wanted.get("retry") or {}).get("delays", RETRY_DELAYS)
        return Message(
            id=new_id(),
            channel=wanted["channel"],
            recipient=wanted["recipient"],
            subject=wanted.get("subject"),
            content=wanted.get("content", ""),
            headers=wanted.get("headers"),
            queue=queue,
            priority=wanted.get("priority", "normal"),
            status="pending",
            tries=0,
            max_tries=wanted.get("max_tries") or len(delays) + 1,
            retry=RetryDelays(tuple(delays)),
            recoveries=0,
            due_at=max(_time(wanted, "due_at") or now, now),
            expires_at=expires_at,
            sent_at=None,
            cancel_reason=None,
            last_error=None,
            held_reason=None,
            held_since=None,
            receipt=None,
            receipt_at=None,
            receipt_detail=None,
            provider_message_id=None,
            account=wanted.get("account"),
            gateway=wanted.get("gateway"),
            callback_url=wanted.get("callback_url"),
            created_at=now,
            mail=_mail(wanted),
        )

    def _get(self, _: httpx2.Request, text: str) -> httpx2.Response:
        message = self._find(text)
        return missing() if message is None else answered(message)

    def _attempts(self, _: httpx2.Request, text: str) -> httpx2.Response:
        message = self._find(text)
        return missing() if message is None else answered({"attempts": self._house.attempts[message.id]})

    def _explain(self, _: httpx2.Request, text: str) -> httpx2.Response:
        message = self._find(text)
        if message is None:
            return missing()
        queue = self._house.queues[message.queue]
        reason, summary = _reason(message, queue)
        waits = message.status not in _TERMINAL
        facts = Facts(
            queue_active=queue.active,
            destination=None,
            consumer=None,
            batch_size=None,
            lease_until=None,
            last_try=None,
            **{name: getattr(message, name) for name in _SHARED},
        )
        following = Next("it is tried", message.due_at) if waits and queue.active else None
        return answered({"reason": reason, "summary": summary, "next": following, "facts": facts})

    def _cancel(self, _: httpx2.Request, text: str) -> httpx2.Response:
        message = self._find(text)
        if message is None:
            return missing()
        if message.status == "sent":
            return problem(HTTPStatus.CONFLICT, "the message is sent")
        return answered(message if message.status == "cancelled" else self._house.cancel(message))

    def _retry(self, _: httpx2.Request, text: str) -> httpx2.Response:
        message = self._find(text)
        if message is None:
            return missing()
        if message.status not in {"failed", "cancelled"}:
            return problem(HTTPStatus.CONFLICT, f"the message is {message.status}")
        return answered(self._house.retry(message))

    def _cancel_all(self, request: httpx2.Request) -> httpx2.Response:
        found = list(self._house.matching(_filter(json.loads(request.content)), ("pending", "failed")))
        for message in found:
            self._house.cancel(message)
        return answered({"count": len(found), "more": False})

    def _retry_all(self, request: httpx2.Request) -> httpx2.Response:
        found = list(self._house.matching(_filter(json.loads(request.content)), ("failed", "cancelled")))
        for message in found:
            self._house.retry(message)
        return answered({"count": len(found), "more": False})

    def _list(self, request: httpx2.Request) -> httpx2.Response:
        query = dict(request.url.params)
        limit, start = int(query.pop("limit", 100)), int(query.pop("cursor", 0))
        found = list(self._house.matching(_filter(query)))
        more = str(start + limit) if start + limit < len(found) else None
        return answered({"messages": found[start : start + limit], "next_cursor": more})

    def _send_event(self, request: httpx2.Request) -> httpx2.Response:
        wanted = json.loads(request.content)
        for name in ("type", "payload"):
            if name not in wanted:
                return invalid(name, "is missing")
        known, event = self._house.events.get(wanted["id"], (wanted, None))
        if known != wanted:
            return invalid("id", "was used for another event")
        if event is None:
            event = Event(
                new_id(), wanted["type"], wanted.get("customer"), wanted.get("channels"), self._house.clock.now, 0
            )
            self._house.events[wanted["id"]] = wanted, event
        return answered(event, HTTPStatus.CREATED)

    def _event(self, _: httpx2.Request, text: str) -> httpx2.Response:
        for wanted, event in self._house.events.values():
            if str(event.id) == text:
                detail = {**plain(event), "payload": wanted["payload"], "statuses": {}, "deliveries": []}
                return answered(detail)
        return missing("there is no such event")

    def _queues(self, _: httpx2.Request) -> httpx2.Response:
        return answered({"queues": sorted(self._house.queues.values(), key=lambda queue: queue.name)})

    def _queue(self, request: httpx2.Request, name: str) -> httpx2.Response:
        known = self._house.queues.get(name)
        if request.method == "GET":
            return missing("there is no such queue") if known is None else answered(known)
        wanted = json.loads(request.content)
        if wanted.get("active") is None:
            wanted["active"] = True if known is None else known.active
        queue = decode(Queue, {"name": name, "interval_seconds": 0.0, **wanted})
        self._house.queues[name] = queue
        return answered(queue, HTTPStatus.CREATED if known is None else HTTPStatus.OK)

    def _switch(self, _: httpx2.Request, name: str, switch: str) -> httpx2.Response:
        known = self._house.queues.get(name)
        if known is None:
            return missing("there is no such queue")
        self._house.queues[name] = decode(Queue, {**plain(known), "active": switch == "start"})
        return answered(self._house.queues[name])

    def _find(self, text: str) -> Message | None:
        try:
            return self._house.messages.get(UUID(text))
        except ValueError:
            return None


_ROUTES: Final[tuple[tuple[str, str, Callable[..., httpx2.Response]], ...]] = (
    ("POST", "messages", Api._send),  # noqa: SLF001  its own
    ("GET", "messages", Api._list),  # noqa: SLF001
    ("POST", "messages/batch", Api._send_batch),  # noqa: SLF001
    ("POST", "messages/cancel", Api._cancel_all),  # noqa: SLF001
    ("POST", "messages/retry", Api._retry_all),  # noqa: SLF001
    ("GET", "messages/([^/]+)", Api._get),  # noqa: SLF001
    ("GET", "messages/([^/]+)/attempts", Api._attempts),  # noqa: SLF001
    ("GET", "messages/([^/]+)/explain", Api._explain),  # noqa: SLF001
    ("POST", "messages/([^/]+)/cancel", Api._cancel),  # noqa: SLF001
    ("POST", "messages/([^/]+)/retry", Api._retry),  # noqa: SLF001
    ("POST", "events", Api._send_event),  # noqa: SLF001
    ("GET", "events/([^/]+)", Api._event),  # noqa: SLF001
    ("GET", "queues", Api._queues),  # noqa: SLF001
    ("GET", "queues/([^/]+)", Api._queue),  # noqa: SLF001
    ("PUT", "queues/([^/]+)", Api._queue),  # noqa: SLF001
    ("POST", "queues/([^/]+)/(start|stop)", Api._switch),  # noqa: SLF001
)
_SHARED: Final = tuple(field.name for field in fields(Facts) if field.name in Message.__dataclass_fields__)


def _time(wanted: Mapping[str, Any], name: str) -> datetime | None:
    try:
        return parse_time(wanted[name]) if wanted.get(name) else None
    except (ValueError, TypeError):
        raise InvalidRequest(name, "is not a time") from None


def _filter(wanted: Mapping[str, Any]) -> ListFilter:
    values = {name: value for name, value in wanted.items() if name not in {"all", "limit", "wait"}}
    for name in ("created_from", "created_until"):
        if name in values:
            values[name] = parse_time(values[name])
    return cast("ListFilter", values)


def _mail(wanted: Mapping[str, Any]) -> Mail | None:
    if not any(wanted.get(name) for name in ("html", "from", "cc", "bcc", "reply_to", "attachments")):
        return None

    def boxes(name: str) -> list[Any]:
        given = wanted.get(name) or []
        return [_box(each) for each in (given if isinstance(given, list) else [given])]

    sender = boxes("from")
    return decode(
        Mail,
        {
            "html": wanted.get("html"),
            "from": sender[0] if sender else None,
            "recipient_name": "",
            "cc": boxes("cc"),
            "bcc": boxes("bcc"),
            "reply_to": boxes("reply_to"),
            "attachments": [_attachment(each) for each in wanted.get("attachments") or []],
            "remaining": None,
        },
    )


def _box(given: Any) -> dict[str, str]:
    if isinstance(given, dict):
        return given
    name, _, address = given.rpartition("<")
    return {"email": address.rstrip("> "), "name": name.strip()}


def _attachment(given: Mapping[str, Any]) -> dict[str, Any]:
    size = len(given["content"]) * 3 // 4 - given["content"][-2:].count("=")
    kind = given.get("content_type") or "application/octet-stream"
    return {**given, "content_type": kind, "size": size}


def _reason(message: Message, queue: Queue) -> tuple[str, str]:
    if message.status in _TERMINAL:
        return message.cancel_reason or "sent", f"It is {message.status}."
    if not queue.active:
        return "queue_stopped", f"Its queue {queue.name!r} is stopped."
    if message.status == "failed":
        return "retrying", "The last attempt failed; another one follows."
    return "not_due", "It is not due yet."
