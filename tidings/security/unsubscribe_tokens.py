"""Links by which whoever reads a mail takes no more of its sender's: signed, so that nothing is kept until one is used.

A token holds all that its use needs, since it must be good for longer than its message is kept: a version, the user,
the message and the address.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from tidings.security.links import SignedLinks

_VERSION: Final = b"\1"
_ID_BYTES: Final = 16
_BEGINNING: Final = len(_VERSION) + 2 * _ID_BYTES
_NOBODY: Final = UUID(int=0)


class Unsubscribing(msgspec.Struct, frozen=True):
    """What a link is for."""

    user_id: UUID | None
    message_id: UUID
    address: str


class UnsubscribeTokens:
    """Signs with the newest of `SECRET_KEYS`, and reads what any of them has signed."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._links = SignedLinks(secret_keys, "unsubscribe")

    def sign(self, wanted: Unsubscribing) -> str:
        """Raises SettingsError where there is no key."""
        user_id = wanted.user_id or _NOBODY
        return self._links.sign(_VERSION + user_id.bytes + wanted.message_id.bytes + wanted.address.encode())

    def read(self, token: str) -> Unsubscribing | None:
        """None for what no key has signed."""
        content = self._links.read(token)
        if content is None or not content.startswith(_VERSION):
            return None
        user_id = UUID(bytes=content[len(_VERSION) : len(_VERSION) + _ID_BYTES])
        return Unsubscribing(
            user_id=None if user_id == _NOBODY else user_id,
            message_id=UUID(bytes=content[len(_VERSION) + _ID_BYTES : _BEGINNING]),
            address=content[_BEGINNING:].decode(),
        )
