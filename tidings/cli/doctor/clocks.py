"""Clocks that differ: this machine's and a store's, compared by one request and its response."""

from datetime import datetime, timedelta
from typing import Final

from tidings.cli.doctor.finding import Finding, failure, ok, warning

WORTH_A_WARNING: Final = timedelta(seconds=1)
WORTH_A_FAILURE: Final = timedelta(minutes=1)

MEND: Final = (
    "keep all clocks by NTP (chrony, systemd-timesyncd): messages go by Postgres's clock, logs, certificates and the"
    " times that people type by the machine's"
)


def apart_from(ahead: float, whose: str) -> str:
    """How far a clock is ahead of another one, in words."""
    return f"{abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} {whose}"


def compare(check: str, theirs: datetime, *, asked: datetime, answered: datetime) -> Finding:
    """How far another clock is off, taken to have been read in the middle between question and answer.

    Half the time in between is the error, so that much is not counted.
    """
    error = (answered - asked) / 2
    offset = theirs - (asked + error)
    apart = max(abs(offset) - error, timedelta())
    says = apart_from(offset.total_seconds(), "this machine's")
    if apart >= WORTH_A_FAILURE:
        return failure(check, says, MEND)
    if apart >= WORTH_A_WARNING:
        return warning(check, says, MEND)
    return ok(check, says)
