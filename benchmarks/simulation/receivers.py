"""The receivers: gateway, receivers of webhooks, mail servers."""

import random
from collections.abc import Callable
from typing import Final

import msgspec

from benchmarks.simulation.traffic import DAY, HOUR
from tidings.channels.base import About, Accepted, Rejected, Result, Retry

REJECTS: Final = 0.002
"""Share of messages that a receiver refuses for good."""


class Character(msgspec.Struct, frozen=True, kw_only=True):
    """How the receivers of a channel are."""

    seconds: float
    """How long an answer takes in the middle, without a queue."""
    rate: float
    """Messages a second that one takes in; what comes faster waits there for its answer."""
    away_every: float
    """Seconds between the times that it is away; on average."""
    away_for: float
    """Seconds; at the most."""


CHARACTERS: Final = {
    "sms": Character(seconds=0.15, rate=4_000, away_every=10 * DAY, away_for=60),
    "webhook": Character(seconds=0.2, rate=1_000, away_every=12 * HOUR, away_for=600),
    "email": Character(seconds=0.6, rate=300, away_every=24 * HOUR, away_for=300),
}


class Receiver:
    """One destination. Answers are those of a channel."""

    def __init__(self, character: Character, *, weight: int, timeout: float, chance: random.Random) -> None:
        self._character = character
        self._each = weight / character.rate
        self._timeout = timeout
        self._chance = chance
        self._free_at = 0.0
        self._away_from = chance.expovariate(1 / character.away_every)
        self._away_until = self._away_from + chance.random() * character.away_for

    def answer(self, now: float) -> tuple[float, Result]:
        """What an attempt that begins now will get, and after how many seconds."""
        while now >= self._away_until:
            self._away_from = self._away_until + self._chance.expovariate(1 / self._character.away_every)
            self._away_until = self._away_from + self._chance.random() * self._character.away_for
        if now >= self._away_from:
            return 0.02, Retry(error="answered 503", status_code=503)
        begins = max(now, self._free_at)
        seconds = begins - now + self._character.seconds * (0.5 + self._chance.random())
        if seconds > self._timeout:
            return self._timeout, Retry(error=f"timed out after {self._timeout:g} s", unanswered=True, about=About.HOST)
        self._free_at = begins + self._each
        if self._chance.random() < REJECTS:
            return seconds, Rejected(error="answered 400", status_code=400)
        return seconds, Accepted(status_code=202)


def receivers(*, weight: int, timeout: float, chance: random.Random) -> Callable[[str], Receiver]:
    """The receiver of each destination, always the same one, whichever cell asks for it."""
    known: dict[str, Receiver] = {}

    def receiver(destination: str) -> Receiver:
        if destination not in known:
            character = CHARACTERS[destination.partition(" ")[0]]
            own = random.Random(f"{destination} {seed}")
            known[destination] = Receiver(character, weight=weight, timeout=timeout, chance=own)
        return known[destination]

    seed = chance.random()
    return receiver
