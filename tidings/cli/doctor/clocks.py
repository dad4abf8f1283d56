"""Clocks that differ: this machine's and a store's, compared by one request and its response."""

from datetime import datetime, timedelta
from typing import Final

from tidings.cli.doctor.finding import Finding, failure, ok, warning

WORTH_A_WARNING: Final = timedelta(seconds=1)
WORTH_A_FAILURE: Final = timedelta(minutes=1)


def compare(check: str, theirs: datetime, *, asked: datetime, answered: datetime) -> Finding:
    """How far another clock is off, taken to have been read in the middle between question and answer.

    Half the time in between is the error, so that much is not counted.
    """
    error = (answered - asked) / 2
    offset = theirs - (asked + error)
    apart = max(abs(offset) - error, timedelta())
    says = f"{abs(offset).total_seconds():.3f} s {'ahead of' if offset > timedelta() else 'behind'} this machine's"
    mend = "keep both clocks by NTP (chrony, systemd-timesyncd): due times are by Postgres's clock, ids by the API's"
    if apart >= WORTH_A_FAILURE:
        return failure(check, says, mend)
    if apart >= WORTH_A_WARNING:
        return warning(check, says, mend)
    return ok(check, says)
