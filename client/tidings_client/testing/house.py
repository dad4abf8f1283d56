"""The messages of a fake, and what becomes of them: tidings in memory, without HTTP.

Due messages are delivered whenever somebody looks, in the order in which they are due, each at the time at which it was
due. A crash loses all: it is for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from threading import RLock
from typing import Any, Final
from uuid import UUID, uuid4

from tidings_client.models import Attempt, CancelReason, Event, ListFilter, Message, Queue, Status
from tidings_client.testing.clock import MovedClock

RETRY_DELAYS: Final = (5.0, 30.0, 120.0, 600.0)
"""Seconds after each failed attempt, where a message says nothing else."""
CONSUMER: Final = "fake"


@dataclass
class DeliveryFailure:
    """What a receiver answers to the next deliveries."""

    error: str
    status_code: int | None
    for_good: bool
    recipient: str | None
    times: int


class House:
    """Messages, queues, and the receivers at the other end."""

    def __init__(self, clock: MovedClock) -> None:
        self.clock = clock
        self.messages: dict[UUID, Message] = {}
        self.attempts: dict[UUID, list[Attempt]] = {}
        self.keys: dict[str, tuple[bytes, UUID]] = {}
        self.queues: dict[str, Queue] = {"default": _queue("default")}
        self.events: dict[str, tuple[dict[str, Any], Event]] = {}
        """What was handed in, and what was answered, by its id. There are no endpoints: it becomes no message."""
        self.failures: list[DeliveryFailure] = []
        self.lock = RLock()
        """`send_many` asks from several threads."""
        self._open: dict[UUID, Message] = {}
        """Those that are neither sent nor cancelled."""

    def keep(self, message: Message) -> Message:
        """Takes a new message in."""
        self.attempts[message.id] = []
        return self._change(message)

    def deliver(self) -> None:
        """Delivers all that is due by now."""
        with self.lock:
            due = [(each.due_at, number, each) for number, each in enumerate(self._open.values()) if self._goes(each)]
            heapify(due)
            while due:
                _, number, message = heappop(due)
                self._deliver(message)
                again = self._open.get(message.id)
                if again is not None and self._goes(again):
                    heappush(due, (again.due_at, number, again))

    def cancel(self, message: Message, reason: CancelReason = "requested") -> Message:
        """Ends a message without sending it."""
        return self._change(replace(message, status="cancelled", cancel_reason=reason))

    def retry(self, message: Message) -> Message:
        """Makes a message due now, with all its tries again where it was cancelled."""
        tries = 0 if message.status == "cancelled" else message.tries
        return self._change(replace(message, status="pending", cancel_reason=None, tries=tries, due_at=self.clock.now))

    def matching(self, wanted: ListFilter, statuses: Sequence[Status] = ()) -> Iterator[Message]:
        """Messages that pass a filter, newest first."""
        for message in reversed(self.messages.values()):
            if (not statuses or message.status in statuses) and all(
                _TESTS[name](message, value) for name, value in wanted.items() if value is not None
            ):
                yield message

    def _goes(self, message: Message) -> bool:
        return message.due_at <= self.clock.now and self.queues[message.queue].active

    def _deliver(self, message: Message) -> None:
        if message.expires_at is not None and message.expires_at <= message.due_at:
            self.cancel(message, "expired")
            return
        tries = message.tries + 1
        failure = self._failure(message)
        self.attempts[message.id].append(
            Attempt(
                try_=tries,
                outcome="accepted" if failure is None else "rejected" if failure.for_good else "retry",
                started_at=message.due_at,
                duration=0.0,
                status_code=200 if failure is None else failure.status_code,
                error=None if failure is None else failure.error,
                answer=None,
                consumer=CONSUMER,
            )
        )
        tried = replace(message, tries=tries, last_error=None if failure is None else failure.error)
        if failure is None:
            self._change(replace(tried, status="sent", sent_at=message.due_at))
        elif failure.for_good or tries >= message.max_tries:
            self.cancel(tried, "rejected" if failure.for_good else "exhausted")
        else:
            delays = message.retry.delays
            due_at = message.due_at + timedelta(seconds=delays[min(tries, len(delays)) - 1])
            self._change(replace(tried, status="failed", due_at=due_at))

    def _failure(self, message: Message) -> DeliveryFailure | None:
        for failure in self.failures:
            if failure.recipient in {None, message.recipient}:
                failure.times -= 1
                if failure.times == 0:
                    self.failures.remove(failure)
                return failure
        return None

    def _change(self, message: Message) -> Message:
        self.messages[message.id] = message
        if message.status in {"pending", "failed"}:
            self._open[message.id] = message
        else:
            self._open.pop(message.id, None)
        return message


def _queue(name: str) -> Queue:
    return Queue(name, active=True, interval_seconds=0.0, batch_size=None, last_claimed_at=None, next_tick_at=None)


def new_id() -> UUID:
    """For a message."""
    return uuid4()


_TESTS: Final[dict[str, Callable[[Message, object], bool]]] = {
    "status": lambda message, value: message.status == value,
    "channel": lambda message, value: message.channel == value,
    "queue": lambda message, value: message.queue == value,
    "recipient": lambda message, value: message.recipient == value,
    "held": lambda message, value: message.held_reason == value,
    "cancel_reason": lambda message, value: message.cancel_reason == value,
    "receipt": lambda message, value: (message.receipt or "none") == value,
    "created_from": lambda message, value: isinstance(value, datetime) and message.created_at >= value,
    "created_until": lambda message, value: isinstance(value, datetime) and message.created_at < value,
}
