"""`FakeTidings`: a `Client` whose tidings is in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus

import httpx2

from tidings_client.async_client import AsyncClient
from tidings_client.client import Client
from tidings_client.models import Event, Message
from tidings_client.testing.clock import MovedClock
from tidings_client.testing.faults import Fault
from tidings_client.testing.house import DeliveryFailure, House
from tidings_client.testing.routes import Api

_URL = "http://fake.invalid"


class FakeTidings(Client):
    """The methods of `Client`, with a tidings in memory behind them; `aio` is its `AsyncClient`.

    What is due is delivered at once. What is due later is delivered when the clock is moved, and `wait` moves it. The
    client is the real one: it asks again, sends its keys and reads answers as it does with a server.
    """

    def __init__(self, *, now: datetime | None = None) -> None:
        self.clock = MovedClock(now)
        self._house = House(self.clock)
        self._api = Api(self._house)
        transport = httpx2.MockTransport(self._api)
        super().__init__(_URL, "", trust_env=False, transport=transport, clock=self.clock)
        self.aio = AsyncClient(_URL, "", trust_env=False, transport=transport, clock=self.clock)

    @property
    def messages(self) -> Sequence[Message]:
        """All that were handed in, in that order, as they are now."""
        self._house.deliver()
        return tuple(self._house.messages.values())

    @property
    def sent(self) -> Sequence[Message]:
        """Those that have been sent by now."""
        return tuple(message for message in self.messages if message.status == "sent")

    @property
    def waiting(self) -> Sequence[Message]:
        """Those that are neither sent nor cancelled."""
        return tuple(message for message in self.messages if message.status not in {"sent", "cancelled"})

    @property
    def events(self) -> Sequence[Event]:
        """All events that were handed in. There are no endpoints here: they become no messages."""
        return tuple(event for _, event in self._house.events.values())

    @property
    def requests(self) -> Sequence[httpx2.Request]:
        """All requests, also those that were refused or lost."""
        return tuple(self._api.requests)

    def assert_sent(
        self,
        recipient: str | None = None,
        *,
        channel: str | None = None,
        content: str | None = None,
        containing: str | None = None,
        times: int = 1,
    ) -> Message:
        """Fails unless exactly so many such messages have been sent; returns the last one."""
        found = [
            message
            for message in self.sent
            if recipient in {None, message.recipient}
            and channel in {None, message.channel}
            and content in {None, message.content}
            and (containing is None or containing in message.content)
        ]
        if len(found) != times or not found:
            wanted = {"recipient": recipient, "channel": channel, "content": content, "containing": containing}
            named = ", ".join(f"{name} {value!r}" for name, value in wanted.items() if value is not None)
            raise AssertionError(
                f"{len(found)} messages were sent with {named or 'anything'}, not {times}.\n{self._books()}"
            )
        return found[-1]

    def assert_nothing_sent(self) -> None:
        """Fails where a message has been sent."""
        if self.sent:
            raise AssertionError(f"{len(self.sent)} messages were sent.\n{self._books()}")

    def fail_deliveries(
        self,
        error: str = "the receiver fails",
        *,
        times: int = 1,
        recipient: str | None = None,
        status_code: int | None = 500,
        for_good: bool = False,
    ) -> None:
        """Lets the next deliveries (to a recipient) fail; `for_good`: the receiver refuses them, and they end."""
        self._house.failures.append(DeliveryFailure(error, status_code, for_good, recipient, times))

    def refuse_requests(
        self, status: int = HTTPStatus.SERVICE_UNAVAILABLE, detail: str = "", *, times: int = 1, retry_after: int = 0
    ) -> None:
        """Lets the API refuse the next requests."""
        headers = {"Retry-After": str(retry_after)} if retry_after else {}
        self._api.faults.append(Fault(times, status=status, detail=detail, headers=headers))

    def lose_requests(self, *, times: int = 1) -> None:
        """Lets the next requests find no connection."""
        self._api.faults.append(Fault(times))

    def lose_answers(self, *, times: int = 1) -> None:
        """Lets the next requests be done, and their answers be lost on the way."""
        self._api.faults.append(Fault(times, done=True))

    def _books(self) -> str:
        lines = [f"  {each.status} {each.channel} {each.recipient} {each.content!r}" for each in self.messages]
        return "\n".join(["What was handed in:", *lines] if lines else ["Nothing was handed in."])
