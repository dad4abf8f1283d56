"""A connection without a network, in an event loop whose time passes at once."""

import asyncio
import select
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from tidings.channels.http.connection import Connection

T = TypeVar("T")


class _NoWait(selectors.BaseSelector):
    """Moves the clock on to the next timer instead of waiting for it."""

    def __init__(self, clock: list[float]) -> None:
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everything waits, and no timer will end that")
        self._clock[0] += max(0.0, timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        raise KeyError(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """Where everything waits for something that no timer will bring, it raises AssertionError."""

    def __init__(self) -> None:
        self._clock = [0.0]
        super().__init__(_NoWait(self._clock))
        # Nothing comes in from outside.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._clock[0]


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


class Wire(asyncio.Transport):
    """Keeps what was written; `unread` stands for bytes that the event loop has not yet handed on."""

    def __init__(self, connection: Connection, on_write: Callable[[bytes], None] | None = None) -> None:
        super().__init__()
        self.connection = connection
        self.written: list[bytes] = []
        self.unsent = 0
        self.unread = False
        self.cut = False
        self._on_write = on_write
        connection.connection_made(self)
        connection._poll = self  # type: ignore[assignment]

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        return [(0, select.POLLIN | select.POLLOUT)] if self.unread else self.connection._writable

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.cut
        self.written.append(bytes(data))
        if self._on_write is not None:
            self._on_write(bytes(data))

    def is_closing(self) -> bool:
        return self.cut

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        if not self.cut:
            self.cut = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)
