"""On whose behalf a request is served, and what that lets it do."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec

from tidings.domain.account import ApiKey, Role, User


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes a request: the operator, or a user with a password, a token or an API key."""

    user_id: UUID | None
    """The owner of the messages that it hands in. None: the operator, who has no account."""
    role: Role
    channels: frozenset[str] | None
    """What it may send with. None: every channel."""
    owns_address: bool = True
    """Whether its mail may be from its own address."""
    prioritizes: bool = False
    """An admin has given it the right that admins have anyway: see `may_prioritize`."""

    def __post_init__(self) -> None:
        if self.user_id is None and self.role is not Role.ADMIN:
            raise ValueError("only the operator is nobody in particular")

    @property
    def is_admin(self) -> bool:
        """Whether it sees everybody's messages and controls the queues."""
        return self.role is Role.ADMIN

    @property
    def scope(self) -> UUID | None:
        """The user whose messages its lists show; None: everybody's."""
        return None if self.is_admin else self.user_id

    @property
    def may_prioritize(self) -> bool:
        """Whether it may go before others, with priority `high`, and have several turns, by fairness keys."""
        return self.is_admin or self.prioritizes

    def may_see(self, owner: UUID | None) -> bool:
        """Whether it may see and change what belongs to the owner."""
        return self.is_admin or self.user_id == owner

    def may_use(self, channel: str) -> bool:
        """Whether it may send with the channel."""
        return self.channels is None or channel in self.channels


OPERATOR: Final = Principal(user_id=None, role=Role.ADMIN, channels=None)
"""Who runs the service: an admin without an account."""


def usable_channels(user: User, defaults: Iterable[str], key: ApiKey | None = None) -> frozenset[str] | None:
    """The key's own, or else the user's own, or else every one (None) for an admin and `defaults` for a user."""
    if key is not None and key.channels is not None:
        return frozenset(key.channels)
    if user.channels is not None:
        return frozenset(user.channels)
    return None if user.role is Role.ADMIN else frozenset(defaults)
