"""Notices which deliveries have been in flight for long, with one timer for all of them.

In memory only. Deliveries grow old in the order in which they began, so only the oldest is watched; a timer for each
would cost more than the rest of the limiter.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

D = TypeVar("D")

AGAIN_SECONDS: Final = 0.25
"""Until one that could not be moved is tried again."""
EARLY_SECONDS: Final = 0.001
"""By which a timer may be early, as event loops round."""


class Ageing(Generic[D]):
    """Hands over what is older than `seconds`. Create it inside the running event loop.

    `move` is called with each, the oldest first; where it returns False that one stays, and is handed over again.
    """

    def __init__(self, seconds: float, move: Callable[[D], bool], *, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._move = move
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._young: dict[D, float] = {}
        """When each began; the oldest first."""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._young)

    def begin(self, delivery: D, now: float) -> None:
        self._young[delivery] = now
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._check)

    def end(self, delivery: D) -> None:
        """It need not be there: it may have been handed over."""
        self._young.pop(delivery, None)

    def _check(self) -> None:
        self._timer = None
        rest = self.hand_over(self._clock())
        if rest is not None:
            self._timer = self._loop.call_later(rest, self._check)

    def hand_over(self, now: float) -> float | None:
        """Hands over what is old; returns the seconds until the next is, None where none is left."""
        for delivery, began in list(self._young.items()):
            left = began + self._seconds - now
            if left > EARLY_SECONDS:
                return left
            if not self._move(delivery):
                return AGAIN_SECONDS
            self._young.pop(delivery, None)
        return None
