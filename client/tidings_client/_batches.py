"""`send_many`, without the sending: messages are cut into batches, and each batch is seen through to its end.

At most `CONCURRENCY` batches are in memory, each under a key made of the caller's key, the position of its first
message and how many it has. The same messages under the same key are cut the same way, and so no batch is kept twice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from tidings_client import _calls
from tidings_client._encoding import encode, given
from tidings_client.errors import Error, Fault, InvalidError, StoppedError

BATCH: Final = 500
"""Messages in one request. The API takes 1,000; more than 500 go no faster."""
BATCH_BYTES: Final = 900_000
"""Of one request. The API takes bodies of up to 1 MiB."""
CONCURRENCY: Final = 4
"""Batches on their way at once: the API commits some while it reads others."""

OnKept = Callable[[Mapping[int, UUID]], None]
"""Called for each batch with the ids of its messages by position, from 0."""
OnRefused = Callable[[int, Fault], None]
"""Called for each message that the API refuses, with its position and what is wrong."""


@dataclass(frozen=True)
class SentMany:
    """What became of the messages that were sent together."""

    key: str
    accepted: int
    refused: int


@dataclass(frozen=True)
class Batch:
    """Messages that go in one request, each as JSON, and the position of the first one."""

    first: int
    messages: Sequence[bytes]

    @property
    def end(self) -> int:
        """The position behind it."""
        return self.first + len(self.messages)


@dataclass(frozen=True)
class Done:
    """A batch that has been dealt with."""

    batch: Batch
    accepted: int


class Cutter:
    """Gathers messages until they fill a batch."""

    def __init__(self) -> None:
        self._first = 0
        self._messages: list[bytes] = []
        self._bytes = 0

    def add(self, message: Mapping[str, Any]) -> Batch | None:
        """Takes one message in; returns the batch that it did not fit into any more."""
        encoded = encode(given(message))
        full = len(self._messages) == BATCH or self._bytes + len(encoded) > BATCH_BYTES
        batch = self.rest() if full else None
        self._messages.append(encoded)
        self._bytes += len(encoded) + 1
        return batch

    def rest(self) -> Batch | None:
        """What has been gathered; None where that is nothing."""
        if not self._messages:
            return None
        batch = Batch(self._first, self._messages)
        self._first, self._messages, self._bytes = batch.end, [], 0
        return batch


Answer = Mapping[str, Any]
Steps = Generator[_calls.Call[Answer], "Answer | InvalidError", Done]


def steps(batch: Batch, key: str, on_kept: OnKept | None, on_refused: OnRefused | None) -> Steps:
    """The requests of a batch, one after the other: again without the messages that the API refuses.

    Whoever runs it sends each answer in, or the error where the API found the batch invalid.
    """
    rest = dict(enumerate(batch.messages, start=batch.first))
    while rest:
        positions = list(rest)
        body = b'{"messages":[' + b",".join(rest.values()) + b"]}"
        answer = yield _calls.batch(body, f"{key}-{batch.first}-{len(rest)}")
        if isinstance(answer, InvalidError):
            faults = {positions[each.index]: each for each in reversed(answer.faults) if each.index is not None}
            if not faults:
                raise answer
            for position, fault in sorted(faults.items()):
                if on_refused is None:
                    raise _StoppedAtError(f"message {position}: {fault}") from answer
                on_refused(position, fault)
                del rest[position]
            continue
        for position, entry in zip(positions, answer.get("messages", ()), strict=False):  # absent where all are alike
            if entry["status"] == "not_kept":
                raise _StoppedAtError(f"message {position} was not kept: {entry['detail']}")
        if on_kept is not None:
            on_kept(dict(zip(positions, map(UUID, answer["ids"]), strict=True)))
        break
    return Done(batch, len(rest))


class _StoppedAtError(Error):
    """What a message of a batch ended the whole with."""


class Tally:
    """What has come of the batches so far, told of each in the order in which they were cut."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._accepted = 0
        self._position = 0

    def count(self, done: Done) -> None:
        """A batch is done, and all before it are."""
        self._accepted += done.accepted
        self._position = done.batch.end

    def sum(self) -> SentMany:
        """At the end."""
        return SentMany(self._key, self._accepted, self._position - self._accepted)

    def stopped(self, error: Error) -> StoppedError:
        """What tells the caller where it stopped, and how it goes on."""
        return StoppedError(
            f"stopped after {self._position:,} messages: {error}; the same messages with key={self._key!r} go on there",
            key=self._key,
            accepted=self._accepted,
            position=self._position,
        )
