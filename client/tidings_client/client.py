"""`Client`: each method is one request, or several, and returns when it is answered. May be shared among threads."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import httpx2

from tidings_client import _batches, _calls
from tidings_client._batches import OnKept, OnRefused, SentMany
from tidings_client._calls import Call, Id
from tidings_client._clock import Clock
from tidings_client._connection import (
    FINAL,
    MOST_EVENT_BYTES,
    PATIENCE_SECONDS,
    STREAM_TIMEOUT,
    TIMEOUT,
    Connection,
    Looks,
    Pauses,
    succeeded,
)
from tidings_client.errors import Error, InvalidError, refusal
from tidings_client.models import (
    Attempt,
    CancelReason,
    Changed,
    Event,
    EventDetail,
    Explanation,
    Message,
    NewMessage,
    Queue,
    Status,
)

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from tidings_client.models import EventFields, Filter, ListFilter, More, QueueFields

T = TypeVar("T")


class Client:
    """A connection to one API, for programs that block. Close it, or use it as a context manager."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
        trust_env: bool = True,
        transport: httpx2.BaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`url` and `api_key`, or else `TIDINGS_URL` and `TIDINGS_API_KEY`.

        For up to `patience` seconds a request goes out again where the API is away or the quota is used up, unless that
        could do a thing twice. `trust_env` takes proxies from the environment. Raises Error for what is no address.
        """
        self._connection = Connection.of(url, api_key)
        self._patience = patience
        self._clock = clock or Clock()
        self._http = httpx2.Client(
            base_url=self._connection.url,
            headers=self._connection.headers,
            timeout=TIMEOUT,
            transport=transport,
            trust_env=trust_env,
            verify=self._connection.verify,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def send(
        self,
        channel: str,
        recipient: str,
        content: str | None = None,
        *,
        idempotency_key: str | None = None,
        **more: Unpack[More],
    ) -> Message:
        """Hands in a message, and returns it once it is kept.

        Under an idempotency key of its own, or yours: the same again under the same key, within a day, returns the
        first message and keeps no second one.
        """
        return self._run(_calls.send(channel, recipient, content, more, idempotency_key))

    def send_many(
        self,
        messages: Iterable[NewMessage],
        *,
        key: str | None = None,
        on_kept: OnKept | None = None,
        on_refused: OnRefused | None = None,
    ) -> SentMany:
        """Hands in any number of messages, in batches of 500, a few of them at once; takes no more than it can send.

        Raises StoppedError, which says where it stopped: the same messages under the same `key`, within a day, go on
        from there, and none is kept twice. A message that the API refuses stops it too, unless `on_refused` takes it:
        then the others go without it. The callbacks are called from other threads, one at a time for each batch.
        """
        key = key or str(uuid4())
        tally, cutter = _batches.Tally(key), _batches.Cutter()
        under_way: deque[Future[_batches.Done]] = deque()
        with ThreadPoolExecutor(_batches.CONCURRENCY, "tidings-send") as pool:

            def start(batch: _batches.Batch) -> None:
                if len(under_way) == _batches.CONCURRENCY:
                    tally.count(under_way.popleft().result())
                under_way.append(pool.submit(self._deal, _batches.steps(batch, key, on_kept, on_refused)))

            try:
                for message in messages:
                    if (full := cutter.add(message)) is not None:
                        start(full)
                if (last := cutter.rest()) is not None:
                    start(last)
                while under_way:
                    tally.count(under_way.popleft().result())
            except Error as error:
                for each in under_way:
                    each.cancel()
                raise tally.stopped(error) from error
        return tally.sum()

    def get(self, message_id: Id) -> Message:
        """One message."""
        return self._run(_calls.get(message_id))

    def list(self, *, page_size: int = _calls.PAGE, **wanted: Unpack[ListFilter]) -> Iterator[Message]:
        """Messages, newest first, page by page as they are taken."""
        cursor: str | None = None
        while True:
            page = self._run(_calls.page(wanted, page_size, cursor))
            yield from page.entries
            if (cursor := page.cursor) is None:
                return

    def attempts(self, message_id: Id) -> Sequence[Attempt]:
        """The attempts of a message, oldest first."""
        return self._run(_calls.attempts(message_id))

    def explain(self, message_id: Id) -> Explanation:
        """Why a message is not sent, or that it is."""
        return self._run(_calls.explain(message_id))

    def cancel(self, message_id: Id) -> Message:
        """Cancels a waiting message. Raises ConflictError for one that is on its way or sent."""
        return self._run(_calls.cancel(message_id))

    def retry(self, message_id: Id) -> Message:
        """Starts a cancelled message again, or makes a failed one due now."""
        return self._run(_calls.retry(message_id))

    def cancel_all(self, *, everything: bool = False, **wanted: Unpack[Filter]) -> int:
        """Cancels all messages that wait and pass the filter; `everything` instead of one. Returns how many."""
        return self._all(_calls.cancel_all(wanted, everything))

    def retry_all(
        self, *, everything: bool = False, cancel_reason: CancelReason | None = None, **wanted: Unpack[Filter]
    ) -> int:
        """Starts all cancelled and failed messages again that pass the filter. Returns how many."""
        return self._all(_calls.retry_all(wanted, everything, cancel_reason))

    def wait(
        self, message_id: Id, until: Status | tuple[Status, ...] = FINAL, *, timeout: float | None = None
    ) -> Message:
        """Returns the message once its status is `until`, or one of them: sent or cancelled.

        Raises NotReachedError where it ends otherwise, or is not there after `timeout` seconds.
        """
        looks = Looks(until, timeout)
        while True:
            began = self._clock.monotonic()
            message = self.get(message_id)
            if looks.reached(message):
                return message
            looks.spent(self._clock.monotonic() - began)
            pause = looks.pause(message)
            self._clock.sleep(pause)
            looks.spent(pause)

    def send_event(self, event_type: str, payload: object, **more: Unpack[EventFields]) -> Event:
        """Hands in an event, which goes to every endpoint that wants it.

        Its `id`, a random one unless you give it, is its idempotency key.
        """
        return self._run(_calls.send_event(event_type, payload, more))

    def event(self, event_id: Id) -> EventDetail:
        """An event, and what became of it for each endpoint."""
        return self._run(_calls.event(event_id))

    def queues(self) -> Sequence[Queue]:
        """All queues, by name."""
        return self._run(_calls.queues())

    def queue(self, name: str) -> Queue:
        """One queue."""
        return self._run(_calls.queue(name))

    def put_queue(self, name: str, **wanted: Unpack[QueueFields]) -> Queue:
        """Makes a queue, or sets the pace of one. What is not given is set to its default, but for `active`."""
        return self._run(_calls.put_queue(name, wanted))

    def start_queue(self, name: str) -> Queue:
        """Its messages go."""
        return self._run(_calls.switch_queue(name, active=True))

    def stop_queue(self, name: str) -> Queue:
        """Its messages wait."""
        return self._run(_calls.switch_queue(name, active=False))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Any request, for routes without a method of their own; the answer as JSON has it."""
        return self._run(_calls.raw(method, path, query, body, idempotency_key))

    def listen(self, path: str) -> Iterator[Any]:
        """The JSON of each server-sent event under a path, until the API ends the stream."""
        try:
            with self._http.sse(path, timeout=STREAM_TIMEOUT, max_event_size=MOST_EVENT_BYTES) as stream:
                response = stream.response
                if not succeeded(response.status_code):
                    raise refusal(response.status_code, response.read())
                for event in stream:
                    yield json.loads(event.data)
        except httpx2.TransportError as error:
            raise self._connection.no_answer(error) from error

    def _all(self, call: Call[Changed]) -> int:
        count, more = 0, True
        while more:
            changed = self._run(call)
            count, more = count + changed.count, changed.more
        return count

    def _deal(self, steps: _batches.Steps) -> _batches.Done:
        try:
            call = next(steps)
            while True:
                call = steps.send(self._tried(call))
        except StopIteration as end:
            done: _batches.Done = end.value
            return done

    def _tried(self, call: Call[_batches.Answer]) -> _batches.Answer | InvalidError:
        try:
            return self._run(call)
        except InvalidError as error:
            return error

    def _run(self, call: Call[T]) -> T:
        pauses = Pauses(self._patience, repeatable=call.repeatable)
        while True:
            began = self._clock.monotonic()
            try:
                return call.read(self._answer(call))
            except Error as error:
                pauses.spent(self._clock.monotonic() - began)
                if (pause := pauses.after(error)) is None:
                    raise
            self._clock.sleep(pause)

    def _answer(self, call: Call[Any]) -> Any:
        try:
            response = self._http.request(
                call.method, call.path, params=call.query or None, content=call.body, headers=call.headers
            )
        except httpx2.TransportError as error:
            raise self._connection.no_answer(error) from error
        if not succeeded(response.status_code):
            raise refusal(response.status_code, response.content, response.headers.get("Retry-After"))
        return _calls.decoded(response.content)
