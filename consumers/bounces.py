"""Addresses that a mail server said it has no mailbox for: suppressed before the outcome of the mail is written.

A crash between the two loses nothing: the mail comes back, and is refused again.
"""

from collections.abc import Sequence

import structlog

from sql.suppressions import SuppressionStore
from tidings.domain.message import Outcome
from tidings.domain.suppression import SuppressionReason

log = structlog.get_logger(__name__)


async def suppress_bounced(store: SuppressionStore, outcomes: Sequence[Outcome]) -> None:
    """Raises one of AWAY where Postgres is away."""
    for outcome in outcomes:
        if (bounce := outcome.bounce) is not None:
            details = dict.fromkeys(bounce.addresses, bounce.detail)
            new = await store.put(bounce.user_id, details, SuppressionReason.BOUNCE, message_id=outcome.message_id)
            if new:
                log.info("address suppressed", reason=SuppressionReason.BOUNCE, message_id=str(outcome.message_id))
