"""When a failed message is tried again, and how often.

Pure arithmetic: the random source is injected, and the time of the next attempt is the caller's `now` plus the delay.

The delays of a message are its own, or those of its queue when it was accepted; else `RETRY_DELAYS`, where that is set;
else its channel's, which are below.
"""

import random
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

LONGEST_WAIT_ASKED: Final = DAY
"""Seconds that a receiver may make a message wait at the most; a `Retry-After` of years would lose it silently."""

Delays = Sequence[float]
"""Seconds after the first, second, … attempt; the last one repeats. At least one."""

USUAL_DELAYS: Final[Delays] = (5.0, 30.0, 2 * MINUTE, 10 * MINUTE)
"""Of channels without a policy of their own."""
SMS_DELAYS: Final[Delays] = (5.0, MINUTE, 10 * MINUTE, 49 * MINUTE)
"""An hour in all: most texts are worth nothing later."""
WEBHOOK_DELAYS: Final[Delays] = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR)
"""As Svix does (https://docs.svix.com/retries): a receiver may be broken for a night."""
EMAIL_DELAYS: Final[Delays] = (
    *(5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 8 * HOUR),
    *[12 * HOUR] * 6,
)
"""Four days, as RFC 5321 (4.5.4.1) has it. The first are minutes: servers greylist for five of them and more."""

FEWEST_TRIES_BY_SETTING: Final = 5
"""With `RETRY_DELAYS` alone, since before channels had policies `MAX_TRIES` was 5 where it was not set."""

MOST_DELAYS: Final = 25
LONGEST_DELAY: Final = 7 * DAY


class RetryDelays(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a message is tried again."""

    delays: Annotated[
        tuple[Annotated[float, Meta(ge=0, le=LONGEST_DELAY)], ...],
        Meta(
            min_length=1,
            max_length=MOST_DELAYS,
            description="Seconds before the second, third, … attempt; the last one repeats.",
        ),
    ]


class RetryDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """`RETRY_DELAYS` and `MAX_TRIES`, which override what the channels have."""

    delays: tuple[float, ...] = ()
    """Empty: by channel."""
    max_tries: int = 0
    """0: one more than there are delays."""

    def tries(self, own: Delays | None, channels: Delays) -> int:
        """How often a message is tried that does not say so; `own` are its own delays, or its queue's."""
        if own is not None:
            return len(own) + 1
        if self.max_tries:
            return self.max_tries
        return max(FEWEST_TRIES_BY_SETTING, len(self.delays) + 1) if self.delays else len(channels) + 1

    def shown(self, own: Delays | None, channels: Delays, *, max_tries: int) -> RetryDelays:
        """The delays that a message meets, without those that its last attempt comes before."""
        delays = self.delays or channels if own is None else own
        return RetryDelays(delays=tuple(delays[: max(max_tries - 1, 1)]))


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The delays between attempts, spread at random: messages that failed together do not come together again."""

    delays: tuple[float, ...] = ()
    """`RETRY_DELAYS`; empty: by channel."""
    jitter: float
    """Share of a delay by which it is spread, both ways; 0 to 1."""
    random: Callable[[], float] = random.random
    """Gives a number from 0 up to 1; 0.5 leaves the delays as they are."""
    of_channel: Callable[[str], Delays] = lambda _: USUAL_DELAYS
    """A channel's own delays."""

    def delay_after(
        self, try_number: int, asked: float | None = None, *, own: Delays | None = None, channel: str = ""
    ) -> float:
        """Seconds to wait after attempt `try_number` (1, 2, …) of a message of this channel has failed.

        `own` are the message's own delays. `asked` is what the receiver asks for (`Retry-After`), a minimum: it is
        spread upwards only, since asking everybody to come back at the same second is how a receiver gets knocked over
        twice.
        """
        chance = self.random()
        delays = own or self.delays or self.of_channel(channel)
        delay = delays[min(max(try_number, 1), len(delays)) - 1]
        wait = delay * (1 + self.jitter * (2 * chance - 1))
        if asked is None:
            return wait
        return max(wait, min(asked, LONGEST_WAIT_ASKED) * (1 + self.jitter * chance))
