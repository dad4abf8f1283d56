"""Addresses that take no more mail of a user, and what a report says of a mail. Pure."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

MAX_DETAIL = 1000
"""Characters that are kept of what a mail server said."""


class SuppressionReason(StrEnum):
    """Why an address takes no more mail of a user."""

    BOUNCE = "bounce"
    """A mail server said that there is no such address."""
    COMPLAINT = "complaint"
    """Whoever reads there called a mail spam."""
    UNSUBSCRIBE = "unsubscribe"
    """Whoever reads there used the link of a mail."""
    MANUAL = "manual"
    """By a request."""


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """One address that takes no more mail of one user."""

    id: UUID
    user_id: UUID | None
    """Whose mail it takes no more; None: the operator's own."""
    address: str
    reason: SuppressionReason
    since: datetime
    detail: str | None = None
    message_id: UUID | None = None
    """The message that it is about, which may be gone by now."""


def same_address(checked: str) -> str:
    """What a checked address is compared by: its ASCII letters in lower case.

    SQL has the same as `lower(recipient COLLATE "C")`. A checked address has its domain in Unicode already, whatever
    form of an internationalised domain was written.
    """
    return checked.encode().lower().decode()
