"""One cell: its table, its machine, and its consumers with the real limiter, breakers and outcomes."""

import asyncio
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import msgspec

from benchmarks.simulation.books import Books
from benchmarks.simulation.table import WaitingTable
from benchmarks.simulation.traffic import Message, moment, second
from consumers import outcomes
from consumers.breaker import Breaker
from consumers.capacity import Limits
from consumers.destination import Entry
from consumers.limiter import DestinationLimiter
from consumers.verdict import settle
from tidings.channels.base import Accepted, Result
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.message import Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.states import Status
from tidings.settings import Settings


class Answering(Protocol):
    """A receiver, as a cell sees it."""

    def answer(self, now: float) -> tuple[float, Result]:
        """What an attempt that begins now will get, and after how many seconds."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How large a cell is."""

    consumers: int
    rate: float
    """Messages a second that its stores and consumers can work through."""
    weight: int
    """Messages that a simulated one stands for."""


class Cell:
    """Alive from `start` to `lose`, and from then on again."""

    def __init__(
        self,
        name: str,
        *,
        size: Size,
        settings: Settings,
        policy: RetryPolicy,
        receiver: Callable[[str], Answering],
        books: Books,
    ) -> None:
        self.name = name
        self.table = WaitingTable()
        self._size = size
        self._settings = settings
        self._policy = policy
        self._receiver = receiver
        self._books = books
        self._clock = asyncio.get_running_loop().time
        self._woken = asyncio.Event()
        self._under_way: dict[int, Message] = {}
        """In batches; what the table `messages` says is `processing`."""
        self._life: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self._life is not None

    @property
    def in_flight(self) -> int:
        """Deliveries that have begun and not ended."""
        return self._limiter.in_flight

    def put(self, message: Message) -> None:
        """Keeps a message that its client has handed in, or that is due again."""
        self.table.put(message, second(message.delivery.due_at))
        self._woken.set()

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begins to work, with new processes. What was under way when the cell was lost counts a recovery."""
        settings, weight = self._settings, self._size.weight
        self._slots = asyncio.Semaphore(self._size.consumers * settings.consumer_slots)
        self._limiter: DestinationLimiter[Message] = DestinationLimiter(
            self._begin,
            self._send_back,
            limits=Limits(
                in_flight=math.ceil(self._size.consumers * settings.in_flight / weight),
                slow=math.ceil(self._size.consumers * settings.in_flight_slow / weight),
                per_destination=math.ceil(self._size.consumers * settings.in_flight_per_destination / weight),
                held_bytes=settings.in_flight_bytes,
            ),
            breaker=lambda: Breaker(
                failures=math.ceil(self._size.consumers * settings.breaker_failures / weight),
                open_seconds=settings.breaker_seconds,
            ),
            clock=self._clock,
        )
        for message in self._under_way.values():
            delivery = message.delivery
            message.delivery = msgspec.structs.replace(delivery, recoveries=delivery.recoveries + 1)
            self.put(message)
        self._under_way = {}
        self._life = tasks.create_task(self._live())

    async def lose(self) -> None:
        """Everything stops at once. What receivers are about to answer reaches nobody."""
        assert self._life is not None
        await cancel_and_wait(self._life)
        self._life = None
        self._limiter.clear()
        for message in [*self._under_way.values(), *self.table.everything()]:
            message.held_up = True

    async def _live(self) -> None:
        """Claims into free slots, as fast as the machine can."""
        batch_size = math.ceil(self._settings.batch_size / self._size.weight)
        async with asyncio.TaskGroup() as batches:
            while True:
                await self._slots.acquire()
                while not (batch := self.table.claim(self._clock(), batch_size)):
                    await self._until_due()
                for message in batch:
                    self._under_way[message.number] = message
                await asyncio.sleep(len(batch) * self._size.weight / self._size.rate)
                batches.create_task(self._through_slot(batch))

    async def _until_due(self) -> None:
        self._woken.clear()
        seconds = self.table.next_due(self._clock())
        alarm = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._woken.set)
        await self._woken.wait()
        if alarm is not None:
            alarm.cancel()

    async def _through_slot(self, batch: list[Message]) -> None:
        """As in consumers/consumer.py: when all have begun or stand in line, and there is room, the slot is free."""
        for message in batch:
            retry_in = self._limiter.enter(message.destination, message)
            if retry_in is not None:
                self._send_back(message, retry_in)
        await self._limiter.room.wait()
        self._slots.release()

    def _begin(self, entry: Entry[Message]) -> None:
        message, loop, now = entry.delivery, asyncio.get_running_loop(), self._clock()
        expires_at = message.delivery.expires_at
        if expires_at is not None and expires_at <= moment(now):
            loop.call_soon(self._end_untried, entry, self._life)
            return
        seconds, result = self._receiver(message.destination).answer(now)
        self._books.tries += 1
        if isinstance(result, Accepted):
            message.accepted += 1
            self._books.duplicates += message.accepted > 1
        loop.call_later(seconds, self._end, entry, result, now, self._life)

    def _end_untried(self, entry: Entry[Message], life: object) -> None:
        if life is not self._life:
            return
        endpoint, message = entry.endpoint, entry.delivery
        self._conclude(message, outcomes.expired(message.delivery))
        endpoint.breaker.abandon()
        endpoint.destination.breaker.abandon()
        self._limiter.leave(entry)

    def _end(self, entry: Entry[Message], result: Result, began: float, life: object) -> None:
        if life is not self._life:
            return
        message = entry.delivery
        outcome = outcomes.conclude(
            message.delivery,
            result,
            policy=self._policy,
            consumer=self.name,
            started_at=moment(began),
            duration=self._clock() - began,
        )
        self._conclude(message, outcome)
        changes = settle(self._limiter, entry.endpoint, result, began=began, now=self._clock())
        self._books.breakers_opened += (changes.endpoint is True) + (changes.host is True)
        self._limiter.leave(entry)

    def _send_back(self, message: Message, retry_in: float) -> None:
        seconds = retry_in * (1 + 0.2 * self._policy.random())
        self._books.sent_back += 1
        due_at = moment(self._clock()) + timedelta(seconds=seconds)
        self._conclude(message, outcomes.returned(message.delivery, due_at=due_at))

    def _conclude(self, message: Message, outcome: Outcome) -> None:
        """Does to the row what `record_outcomes` of sql/queries/batches.sql does."""
        del self._under_way[message.number]
        if outcome.status in {Status.SENT, Status.CANCELLED}:
            self._books.end(message, outcome, self._clock())
            return
        delivery = message.delivery
        message.delivery = msgspec.structs.replace(
            delivery,
            tries=outcome.tries,
            due_at=delivery.due_at if outcome.due_at is None else outcome.due_at,
            unanswered=delivery.unanswered or outcome.unanswered,
        )
        self.put(message)
