"""The rate, in messages a second, that a receiver allows which answers "too many requests": learned from its answers.

Pure: the caller's clock is passed in. In memory only: after a crash the rate is learned again. Each consumer learns
its own part; together they reach what the receiver allows, since each is refused when all together are too fast.

A single refusal only makes it watch. When refusals are more than a few of the answers it limits: messages go one by
one, evenly spaced. The known ceiling lies between what was accepted since the last refusal and the rate at which one
was refused. The rate starts a little below it, stays just below, and after a while tries what is beyond, faster and
faster (as CUBIC does, RFC 9438): one refusal in a few hundred messages. At twice the ceiling it no longer limits.
"""

import math
from typing import Final

from consumers.allowance import Allowance

WATCH_SECONDS: Final = 5.0
"""How long a refusal is remembered that did not make it limit."""
FEW: Final = 0.02
"""Share of refusals among the answers up to which nothing is limited."""
FIRST_RATE: Final = 1.0
"""Messages a second that are allowed at least when it begins to limit: little traffic says little about a ceiling."""
LOWEST_RATE: Final = 0.01
HIGHEST_RATE: Final = 10_000.0
DECREASE: Final = 0.92
"""Of the ceiling, after a refusal."""
LEAST: Final = (0.85, 0.75, 0.5)
"""Of the rate that was refused, its ceiling, in the first unstable round, the second, and from then on."""
PLATEAU: Final = 0.97
"""Of the ceiling, where it stays until it tries more."""
STEEPNESS: Final = 0.4
STABLE: Final = 0.99
"""Of the rate that was refused at the end of a whole round, to its ceiling."""
SHORTEST_MEASURE: Final = 1.0
"""Seconds that tell what a receiver accepts in a second."""
ROUNDS_KNOWN: Final = 4
"""After so many rounds the rate is another one, if nothing is refused."""
MESSAGES_PER_ROUND: Final = 300
"""Messages from a refusal to the end of the plateau."""
FIRST_ROUND: Final = 2.0
"""Seconds of the first round, when the ceiling is hardly known; each further one is twice as long."""
ROUND_GROWTH: Final = 2
LONGEST_ROUND: Final = 120.0
LONGEST_KNOWN: Final = 900.0
"""Seconds for which a rate that is a setting may be relied upon."""
CREDIT_SECONDS: Final = 0.05
"""A timer that is late by less costs nothing."""
LONGEST_BACKOFF: Final = 120.0
LONGEST_PAUSE: Final = 3600.0
"""What a receiver may ask for at a time."""
FORGOTTEN_SECONDS: Final = 600.0
"""Without traffic."""


class Pace:
    """One receiver's rate. `answered` is how many messages a second it accepted lately."""

    def __init__(self, now: float, answered: float = 0.0) -> None:
        self.limits = False
        """Whether it limits by what was learned, or only watches."""
        self.allowance: Allowance | None = None
        """Limits too, where the endpoint's owner has set one."""
        self._answered = answered
        self._refused = 0
        self._accepted = 0
        """Since `_since`."""
        self._since = now
        self._ceiling = 0.0
        self._round = FIRST_ROUND / ROUND_GROWTH
        self._grown = 0.0
        """Seconds since the last refusal in which it was in use."""
        self._decreased_at = -math.inf
        self._in_vain = 0
        """Refusals one after another."""
        self._before = (0.0, 0)
        """The seconds from the refusal before until the first of them, and how many were accepted in that time."""
        self._unstable = 0
        """Rounds one after another that did not come to their end."""
        self._paused_until = now
        self._next_at = now
        self._went_at = now
        self._limited_at = now

    @property
    def rate(self) -> float:
        """Messages a second that may go at present."""
        if self.allowance is None:
            return self._learned
        return min(self._learned, self.allowance.rate) if self.limits else self.allowance.rate

    @property
    def _learned(self) -> float:
        u = self._grown / self._round
        share = PLATEAU - (PLATEAU - DECREASE) * (1 - u) ** 3 if u < 1 else PLATEAU + STEEPNESS * (u - 1) ** 3
        return min(max(self._ceiling * share, LOWEST_RATE), HIGHEST_RATE)

    @property
    def known_seconds(self) -> float:
        """How long the rate may be relied upon."""
        return ROUNDS_KNOWN * self._round if self.limits else LONGEST_KNOWN

    @property
    def slows(self) -> bool:
        """Whether messages may have to wait for it."""
        return self.limits or self.allowance is not None

    def over(self, now: float) -> bool:
        """Whether it may be forgotten."""
        if self.allowance is not None and not self.allowance.full(now):
            return False
        return self.stale(now)

    def stale(self, now: float) -> bool:
        """Whether what was learned may be forgotten."""
        if not self.limits:
            return now - self._since > WATCH_SECONDS
        if now < self._paused_until:
            return False
        return now - self._limited_at > FORGOTTEN_SECONDS

    def paused(self, now: float) -> float:
        """Seconds for which nothing may go, as the receiver asks."""
        return max(self._paused_until - now, 0.0)

    def wait(self, now: float) -> float:
        """Seconds until the next message may go; 0 where it may now."""
        allowed = 0.0 if self.allowance is None else self.allowance.wait(now)
        if not self.limits:
            return allowed
        wait = max(self._next_at - now, self._paused_until - now, 0.0)
        if wait:
            self._limited_at = now
        return max(wait, allowed)

    def go(self, now: float) -> None:
        """A message goes."""
        if self.allowance is not None:
            self.allowance.go(now)
            if not self.limits:
                return
        spacing = 1 / self.rate
        self._grown += min(now - self._went_at, 2 * spacing)
        self._went_at = now
        self._next_at = max(self._next_at, now - min(CREDIT_SECONDS, self.rate / 400)) + spacing

    def accept(self, now: float) -> None:
        """A message was accepted."""
        self._accepted += 1
        self._in_vain = 0
        if self._round == FIRST_ROUND:
            # The first refusals may be answered before what was accepted together with them.
            self._ceiling = max(self._ceiling, self._accepted / max(now - self._since, SHORTEST_MEASURE))

    def refuse(self, now: float, began: float, delay: float | None) -> bool:
        """A message that began at `began` was refused, for `delay` seconds if the receiver said so.

        Returns whether that lowered the rate. Messages that were in flight together count once.
        """
        if not self.limits:
            return self._watch(now, delay)
        if delay is not None:
            self._pause(now, delay)
        if began < self._decreased_at:
            return False
        rate = self.rate
        if self._in_vain:
            # Nothing was accepted since the last one: the receiver's window is long, or it takes nothing at all.
            self._pause(now, min(2.0 ** (self._in_vain - 1), LONGEST_BACKOFF))
            least = rate * (DECREASE if self._in_vain == 1 else 0.5)
            self._ceiling = min(max(least, self._accepted_before(now)), rate)
        else:
            self._ceiling = self._between(rate, now - self._since)
            self._before = (now - self._since, self._accepted)
            self._since, self._accepted = now, 0
        self._in_vain += 1
        self._decrease(now)
        return True

    def _watch(self, now: float, delay: float | None) -> bool:
        self._refused += 1
        answers = self._accepted + self._refused + self._answered
        if self._refused < 2 or self._refused < FEW * answers:  # noqa: PLR2004  (one is none)
            return False
        self.limits = True
        measured = max(self._answered, self._accepted / max(now - self._since, 1.0), FIRST_RATE)
        self._ceiling = measured
        self._before = (now - self._since + 1.0, math.ceil(self._accepted + self._answered))
        self._since, self._accepted = now, 0
        self._in_vain = 1
        self._next_at = self._went_at = now
        self._pause(now, delay or 0.0)
        self._decrease(now)
        return True

    def _between(self, rate: float, seconds: float) -> float:
        """The ceiling: below the rate that was refused, above what was accepted in the seconds before it."""
        if self._grown >= self._round:
            # It was stable: the mean of the whole round is lower than what was accepted at its end.
            self._unstable = 0
            return rate * STABLE
        self._unstable += 1
        if seconds < SHORTEST_MEASURE:
            return rate * DECREASE
        least = LEAST[min(self._unstable, len(LEAST)) - 1]
        return max(math.sqrt(rate * min(self._accepted / seconds, rate)), rate * least)

    def _accepted_before(self, now: float) -> float:
        """Messages a second until the refusals in vain; these count too where that was short, or they last."""
        seconds, accepted = self._before
        in_vain = now - self._since
        return accepted / max(seconds + (in_vain if in_vain > seconds / 4 else 0), SHORTEST_MEASURE)

    def _decrease(self, now: float) -> None:
        self._decreased_at = now
        self._grown = 0.0
        self._round = min(ROUND_GROWTH * self._round, max(MESSAGES_PER_ROUND / self._ceiling, 30), LONGEST_ROUND)
        self._next_at = max(self._next_at, now + 1 / self.rate)

    def _pause(self, now: float, seconds: float) -> None:
        self._paused_until = max(self._paused_until, now + min(seconds, LONGEST_PAUSE))
