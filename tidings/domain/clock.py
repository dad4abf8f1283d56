"""The time by Postgres's clock, which decides what is due, expired or over in every process.

In memory: between which two bounds Postgres's clock is ahead of this process's monotonic one. Each statement that
answers with a time narrows them to the time that it took, so that the best of the last minutes counts and a slow one
does no harm. The machine's own wall clock may be wrong, or be set while the process runs: nothing goes by it, unless
the process has not asked Postgres yet.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

DRIFT: Final = 0.0005
"""How much two clocks may move apart, as a share of the time that passes: five times what a bad crystal does."""


class PostgresClock:
    """One process's reading of it."""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, machine: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._machine = machine
        self._bounds: tuple[float, float] | None = None
        self._ahead = 0.0
        """Unix time by Postgres's clock, before our monotonic one."""
        self._heard_at = 0.0

    def heard(self, seen_at: datetime, *, asked: float, answered: float) -> None:
        """Postgres said this time in answer to a statement that took from `asked` to `answered` (`time.monotonic`).

        A time that contradicts the earlier ones is believed: that clock was set, or another server answers, or this
        machine slept.
        """
        seen = seen_at.timestamp()
        low, high = seen - answered, seen - asked
        if self._bounds is not None:
            moved = DRIFT * max(answered - self._heard_at, 0.0)
            before_low, before_high = self._bounds[0] - moved, self._bounds[1] + moved
            if low <= before_high and before_low <= high:
                low, high = max(low, before_low), min(high, before_high)
        self._bounds = low, high
        self._ahead = (low + high) / 2
        self._heard_at = answered

    def seconds(self) -> float:
        """Unix time."""
        return self._machine() if self._bounds is None else self._monotonic() + self._ahead

    def machine_ahead(self) -> float:
        """Seconds by which the clock of this machine is ahead of Postgres's; 0 where that is not known yet."""
        return 0.0 if self._bounds is None else self._machine() - self.seconds()

    def age(self) -> float:
        """Seconds since Postgres last said what time it is; infinite where it was not asked yet."""
        return float("inf") if self._bounds is None else self._monotonic() - self._heard_at

    def error(self) -> float:
        """By how many seconds `seconds` may be wrong; infinite where Postgres was not asked yet."""
        return float("inf") if self._bounds is None else (self._bounds[1] - self._bounds[0]) / 2


CLOCK: Final = PostgresClock()
"""This process's: it has one Postgres."""
