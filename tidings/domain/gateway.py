"""An SMS gateway: where it is, whose, what goes through it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from math import log
from typing import Any, Final
from uuid import UUID

from tidings.domain.account import Redacted, Sealed

OWN: Final = "me/"
"""Before the name of a user's own gateway, where it stands beside those of the operator."""
CALLBACK_TOKEN: Final = "receipt_token"  # noqa: S105  (a name)
"""Among the credentials: what the URL for delivery reports has, so that nobody else finds it."""
HIGHEST_WEIGHT: Final = 1000


class Gateway(Redacted, frozen=True, kw_only=True):
    """A gateway as it is kept. `credentials` are sealed; `clear` are those of the operator's configuration."""

    id: UUID
    user_id: UUID | None = None
    """Whose it is; None: the operator's."""
    name: str
    preset: str | None = None
    """By name; None: `spec` says it all."""
    spec: Mapping[str, Any] | None = None
    """What is otherwise than in the preset, section by section."""
    base_url: str = ""
    """Empty: that of the preset."""
    credentials: Sealed | None = None
    clear: Mapping[str, str] | None = None
    senders: tuple[str, ...] = ()
    """Whom messages may be from; the first one where they do not say."""
    users: tuple[UUID, ...] | None = None
    """Of the operator's: who may use it; None: everybody."""
    prefixes: tuple[str, ...] | None = None
    """Of numbers that it is for, such as `+49`; None: all."""
    short_codes: bool = False
    """Whether it takes numbers without a country code, of 3 to 6 digits."""
    weight: int = 1
    """Its part among those with the same prefix; 0: only where no other can go."""
    allows_duplicates: bool = False
    """Whether what it may have taken, without an answer, goes to another where it is held."""
    per_second: int | None = None
    concurrency: int | None = None
    price: str | None = None
    """Of a part, such as `0.0075 EUR`: for people."""
    enabled: bool = True
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def key(self) -> str:
        """What messages and holds call it: its name, behind `me/` where it is its user's own."""
        return self.name if self.user_id is None else f"{OWN}{self.name}"

    def may_be_used_by(self, user_id: UUID | None) -> bool:
        """Whether messages of a user, or for None of the operator, may go through it."""
        if self.user_id is not None:
            return self.user_id == user_id
        return self.users is None or user_id is None or user_id in self.users

    def prefix_length(self, recipient: str) -> int | None:
        """How much of a number it is for; None: it is not for that number."""
        if not recipient.startswith("+"):
            return 0 if self.short_codes else None
        if self.prefixes is None:
            return 0
        return max((len(prefix) for prefix in self.prefixes if recipient.startswith(prefix)), default=None)

    def sender_of(self, wanted: str | None) -> str | None:
        """Whom a message is from; None where it may not be from whom it says, empty where it says nothing."""
        if wanted is None:
            return self.senders[0] if self.senders else ""
        return wanted if wanted in self.senders else None


def candidates(
    gateways: Iterable[Gateway], *, user_id: UUID | None, recipient: str, sender: str | None, named: str | None
) -> list[Gateway]:
    """Those that a message may go through, in no order: a user's own where there is one, else the operator's."""
    fitting = [
        gateway
        for gateway in gateways
        if gateway.enabled
        and (named is None or named in {gateway.key, gateway.name})
        and gateway.may_be_used_by(user_id)
        and gateway.prefix_length(recipient) is not None
        and gateway.sender_of(sender) is not None
    ]
    own = [gateway for gateway in fitting if gateway.user_id is not None]
    return own or fitting


def in_turn(fitting: Sequence[Gateway], message_id: UUID, recipient: str) -> list[Gateway]:
    """Those for the longest prefix first; of the same one, each is the first for its weight's part of all messages.

    The same for each attempt at a message.
    """
    if len(fitting) < 2:  # noqa: PLR2004
        return list(fitting)
    return sorted(fitting, key=lambda gateway: _turn(gateway, message_id, recipient))


def _turn(gateway: Gateway, message_id: UUID, recipient: str) -> tuple[int, int, float]:
    digest = blake2b(message_id.bytes + gateway.id.bytes, digest_size=8).digest()
    share = (int.from_bytes(digest) + 1) / (2**64 + 1)
    # As rendezvous hashing has it: the smallest of exponential times, each with its weight as its rate.
    waits = -log(share) / max(gateway.weight, 1)
    return -(gateway.prefix_length(recipient) or 0), int(gateway.weight == 0), waits
