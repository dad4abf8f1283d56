"""What a server's refusals have taught about it, which is forgotten after a while: servers are changed too.

In memory only, for each account; a crash costs some refusals more.
"""

from typing import Final

SESSION_SECONDS: Final = 3600.0
"""How long it is kept how many mails a session may carry."""
INCREASE_SECONDS: Final = 60.0
"""How long a slot is withheld at first; twice as long each time that it turns out to be too early."""
LONGEST_INCREASE_SECONDS: Final = 3600.0


class Learned:
    """Times are of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._most_mails: int | None = None
        self._until = 0.0
        self._wait = INCREASE_SECONDS
        self._increase_at = 0.0
        self._increased = False

    def most_mails(self, now: float) -> float:
        """How many mails one connection may carry."""
        return self._most_mails if self._most_mails is not None and now < self._until else float("inf")

    def lasts(self, now: float) -> bool:
        """Whether it would be missed."""
        return now < self._until or now < self._increase_at

    def session_ended(self, mails: int, now: float) -> None:
        """A connection that had carried `mails` was refused what a new one was not."""
        self._most_mails, self._until = mails, now + SESSION_SECONDS

    def decreased(self, now: float) -> None:
        """The server wanted fewer connections."""
        if self._increased:
            self._wait = min(2 * self._wait, LONGEST_INCREASE_SECONDS)
            self._increased = False
        self._increase_at = now + self._wait

    def may_increase(self, now: float) -> bool:
        """Whether one connection more may be tried now; then the next one only later."""
        if now < self._increase_at:
            return False
        self._increase_at = now + self._wait
        self._increased = True
        return True
