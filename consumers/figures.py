"""What this consumer has done, counted in buckets of 5 s until it is reported.

In memory only: a crash loses what was counted since the last report. A bucket is kept whole for a while after it is
over, so that each report of it overwrites the one before, and nothing is counted twice.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from tidings.domain.message import Outcome
from tidings.domain.states import Status
from tidings.observability.reports import MOST_SERIES, OTHERS, Figures, Series, Tally, bucket_of

KEPT: Final = 3
"""Buckets that are kept; what Redis does not take in that time is lost to the history."""

Tallies = dict[tuple[str, str], Tally]


class FigureBook:
    """Counts outcomes. `now` is Unix time by Redis's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[int, Tallies] = {}
        self._changed: set[int] = set()
        """Buckets that are to be reported."""
        self._encode = msgspec.msgpack.Encoder().encode

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Counts a group of outcomes in the present bucket; messages that were given back untried are none."""
        bucket = bucket_of(self._now())
        tallies = self._buckets.setdefault(bucket, {})
        for outcome in outcomes:
            attempt, status = outcome.attempt, outcome.status
            if attempt is None and status not in {Status.SENT, Status.CANCELLED}:
                continue
            self._changed.add(bucket)
            tally = tallies.get((outcome.channel, outcome.queue)) or _open(tallies, outcome)
            if status is Status.SENT:
                tally.sent += 1
            elif status is Status.CANCELLED:
                tally.cancelled += 1
            else:
                tally.failed += 1
            if attempt is not None:
                tally.duration.add(attempt.duration)
            if outcome.lateness is not None:
                tally.lateness.add(outcome.lateness)

    def take(self, *, in_flight: int) -> dict[int, bytes]:
        """By bucket, what has changed since this was asked last: nothing where nothing was done and is in flight."""
        if in_flight:
            self._changed.add(bucket_of(self._now()))
        for bucket in sorted(self._buckets)[:-KEPT]:
            del self._buckets[bucket]
        changed, self._changed = self._changed, set()
        return {bucket: self._entry(bucket, in_flight) for bucket in changed}

    def give_back(self, buckets: Iterable[int]) -> None:
        """These could not be reported: they count as changed."""
        self._changed.update(bucket for bucket in buckets if bucket in self._buckets)

    def _entry(self, bucket: int, in_flight: int) -> bytes:
        tallies = self._buckets.get(bucket, {})
        return self._encode(Figures(in_flight, [Series(*key, tally) for key, tally in tallies.items()]))


def _open(tallies: Tallies, outcome: Outcome) -> Tally:
    key = (outcome.channel, outcome.queue)
    if len(tallies) >= MOST_SERIES:
        key = (outcome.channel, OTHERS)
    return tallies.setdefault(key, Tally())
