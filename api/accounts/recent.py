"""A small cache with an age limit."""

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """A map that forgets each entry `life` seconds after it was put, and the oldest where it grows over `most`."""

    def __init__(self, *, life: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._life = life
        self._most = most
        self._clock = clock
        self._entries: dict[Key, tuple[float, Value]] = {}
        self._forgotten = 0

    def get(self, key: Key) -> Value | None:
        """Returns the value, or None once it has expired."""
        until, value = self._entries.get(key, (0.0, None))
        return value if self._clock() < until else None

    def put(self, key: Key, value: Value) -> None:
        """Remembers it from now on."""
        self._entries.pop(key, None)
        while len(self._entries) >= self._most:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (self._clock() + self._life, value)

    async def get_or(self, key: Key, load: Callable[[Key], Awaitable[Value | None]]) -> Value | None:
        """What is remembered, or loaded, and remembered where there is any."""
        value, forgotten = self.get(key), self._forgotten
        # What is forgotten while it is loaded may be what it was before.
        if value is None and (value := await load(key)) is not None and self._forgotten == forgotten:
            self.put(key, value)
        return value

    def remembered(self) -> list[tuple[Key, Value]]:
        """All that is in it, expired or not."""
        return [(key, value) for key, (_, value) in self._entries.items()]

    def forget(self, key: Key) -> None:
        """Has it looked up again."""
        self._forgotten += 1
        self._entries.pop(key, None)
