"""When a failed message is tried again.

Pure arithmetic: the random source is injected, and the time of the next attempt is the caller's `now` plus the delay.
"""

import random
from collections.abc import Callable
from typing import Final

import msgspec

LONGEST_WAIT_ASKED: Final = 24 * 60 * 60.0
"""Seconds that a receiver may make a message wait at the most; a `Retry-After` of years would lose it silently."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The delays between attempts, spread at random: messages that failed together do not come together again."""

    delays: tuple[float, ...]
    """Seconds after the first, second, … attempt; the last one repeats."""
    jitter: float
    """Share of a delay by which it is spread, both ways; 0 to 1."""
    random: Callable[[], float] = random.random
    """Gives a number from 0 up to 1; 0.5 leaves the delays as they are."""

    def delay_after(self, try_number: int, asked: float | None = None) -> float:
        """Seconds to wait after attempt `try_number` (1, 2, …) has failed.

        `asked` is what the receiver asks for (`Retry-After`), a minimum: it is spread upwards only, since asking
        everybody to come back at the same second is how a receiver gets knocked over twice.
        """
        chance = self.random()
        delay = self.delays[min(max(try_number, 1), len(self.delays)) - 1]
        own = delay * (1 + self.jitter * (2 * chance - 1))
        if asked is None:
            return own
        return max(own, min(asked, LONGEST_WAIT_ASKED) * (1 + self.jitter * chance))
