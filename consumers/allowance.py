"""One consumer's part of what an endpoint may be sent in an hour, by a setting of its owner. Pure.

A token bucket: a tenth of the hour's messages (or another `burst`) may go at once after a pause, the others follow
evenly, so that no hour has more than its number. Consumers share it equally, as many as report. Each may be one message
ahead of its part, and one that was restarted does not know what it sent before: it begins with what it would have been
given since its start.
In memory only.
"""

from typing import Final

HOUR_SECONDS: Final = 3600.0
BURST: Final = 0.1
"""Of an hour's messages, that may go at once."""
ROUNDING: Final = 1e-6


class Allowance:
    """The clock is the caller's. `ran` is for how many seconds this consumer has been running."""

    def __init__(self, per_hour: int, now: float, *, ran: float, consumers: int = 1, burst: int | None = None) -> None:
        self.per_hour = per_hour
        self._burst = max(int(per_hour * BURST), 1) if burst is None else burst
        self.consumers = consumers
        """That share it, this one among them."""
        self._tokens = min(1 + self.rate * ran, self._most)
        self._at = now

    @property
    def rate(self) -> float:
        """Messages a second that follow one another evenly."""
        return (self.per_hour - self._burst + 1) * (1 - ROUNDING) / HOUR_SECONDS / self.consumers

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0 where it may now."""
        self._fill(now)
        missing = 1 - self._tokens
        # Sums of fractions: what is missing by less is rounding.
        return missing / self.rate if missing > ROUNDING else 0.0

    def go(self, now: float) -> None:
        """A message goes."""
        self._fill(now)
        self._tokens -= 1

    def full(self, now: float) -> bool:
        """Whether a new one would be the same."""
        self._fill(now)
        return self._tokens >= self._most - ROUNDING

    @property
    def _most(self) -> float:
        return max(self._burst / self.consumers, 1.0)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._tokens + (now - self._at) * self.rate, self._most)
        self._at = now
