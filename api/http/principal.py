"""On whose behalf a request is served, and what that lets it do."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import msgspec

from tidings.domain.account import Role, User
from tidings.domain.api_key import ALL_SCOPES, ApiKey, Scope
from tidings.domain.message import NewMessage


class Reach(msgspec.Struct, frozen=True):
    """Which messages a principal sees and changes. None: no matter whose, of every channel, in every queue."""

    user_id: UUID | None
    channels: tuple[str, ...] | None = None
    queues: tuple[str, ...] | None = None

    @property
    def filter(self) -> dict[str, Any]:
        """The same for `MessageFilter`."""
        return msgspec.structs.asdict(self)


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes a request: the operator, or a user with a password, a token or an API key."""

    user_id: UUID | None
    """The owner of the messages that it hands in. None: the operator, who has no account."""
    role: Role
    channels: frozenset[str] | None
    """What it may send with. None: every channel."""
    prioritizes: bool = False
    """An admin has given it the right that admins have anyway: see `may_prioritize`."""
    scopes: frozenset[Scope] = ALL_SCOPES
    key: ApiKey | None = None
    """The key that it brought."""
    session_id: UUID | None = None
    """The session whose token it brought."""

    def __post_init__(self) -> None:
        if self.user_id is None and self.role is not Role.ADMIN:
            raise ValueError("only the operator is nobody in particular")

    @property
    def is_admin(self) -> bool:
        """Whether it sees everybody's messages and controls the queues."""
        return self.role is Role.ADMIN

    @property
    def reach(self) -> Reach:
        """The messages that its lists show and its bulk changes may change."""
        user_id = None if self.is_admin else self.user_id
        return Reach(user_id) if self.key is None else Reach(user_id, self.key.channels, self.key.queues)

    @property
    def may_prioritize(self) -> bool:
        """Whether it may go before others, with priority `high`, and have several turns, by fairness keys."""
        return self.is_admin or self.prioritizes

    def may_see(self, owner: UUID | None) -> bool:
        """Whether it may see and change what belongs to the owner."""
        return self.is_admin or self.user_id == owner

    def may_see_message(self, message: NewMessage) -> bool:
        """Whether it may see and change a message."""
        return self.may_see(message.user_id) and self.reaches(channel=message.channel, queue=message.queue)

    def may_use(self, channel: str) -> bool:
        """Whether it may send with the channel."""
        return self.channels is None or channel in self.channels

    def may_use_queue(self, queue: str) -> bool:
        """Whether it may send to the queue, and see it."""
        return self.key is None or self.key.queues is None or queue in self.key.queues

    def reaches(self, *, channel: str | None = None, queue: str | None = None) -> bool:
        """Whether its key, where it has one, is for this channel in this queue. None: for all of them."""
        if self.key is None:
            return True
        limits = ((self.key.channels, channel), (self.key.queues, queue))
        return all(allowed is None or wanted in allowed for allowed, wanted in limits)


OPERATOR: Final = Principal(user_id=None, role=Role.ADMIN, channels=None)
"""Who runs the service: an admin without an account."""


def usable_channels(user: User, defaults: Iterable[str], key: ApiKey | None = None) -> frozenset[str] | None:
    """The user's own, or else every one (None) for an admin and `defaults` for a user; a key's take their place.

    Unless the user gave them to the key: then only those that both have.
    """
    own = frozenset(user.channels) if user.channels is not None else None
    if own is None and user.role is not Role.ADMIN:
        own = frozenset(defaults)
    if key is None or key.channels is None:
        return own
    return frozenset(key.channels) if key.granted or own is None else own & frozenset(key.channels)
