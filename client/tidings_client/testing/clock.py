"""The clock of a fake: it stands still until it is moved. Whoever waits moves it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from tidings_client._clock import Clock


class MovedClock(Clock):
    """Time as a test has it. A client that waits by this clock moves it and returns at once."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime.now(timezone.utc)
        """A time of day, with its zone."""
        self._began = self.now

    def move(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0, to: datetime | None = None
    ) -> datetime:
        """Lets so much time pass, or all the time until `to`; returns what time it is then. It never goes back."""
        later = to or self.now + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if later < self.now:
            raise ValueError(f"{later} is before {self.now}: time does not go back")
        self.now = later
        return later

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return (self.now - self._began).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Moves on."""
        self.move(seconds=seconds)

    async def pause(self, seconds: float) -> None:
        """Moves on."""
        self.move(seconds=seconds)
