"""Which channels somebody may send with: the gateway costs its operator money."""

from collections.abc import Iterable

from tidings.domain.account import ApiKey, Role, User


def usable_channels(user: User, defaults: Iterable[str], key: ApiKey | None = None) -> frozenset[str] | None:
    """The key's own, or else the user's own, or else every one (None) for an admin and `defaults` for a user."""
    if key is not None and key.channels is not None:
        return frozenset(key.channels)
    if user.channels is not None:
        return frozenset(user.channels)
    return None if user.role is Role.ADMIN else frozenset(defaults)
