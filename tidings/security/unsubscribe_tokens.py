"""Links by which whoever reads a mail takes no more of its sender's: signed, so that nothing is kept until one is used.

A token holds all that its use needs, since it must be good for longer than its message is kept: base64url of a
version, the user, the message, the address, and 16 bytes of HMAC-SHA256 by a key that is derived of one of
`SECRET_KEYS`. Links that a key has signed are good for as long as that key is among them.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from tidings.domain.errors import SettingsError

_VERSION: Final = b"\1"
_ID_BYTES: Final = 16
_MAC_BYTES: Final = 16
_BEGINNING: Final = len(_VERSION) + 2 * _ID_BYTES
MAX_LENGTH: Final = 2048
_NOBODY: Final = UUID(int=0)


class Unsubscribing(msgspec.Struct, frozen=True):
    """What a link is for."""

    user_id: UUID | None
    message_id: UUID
    address: str


class UnsubscribeTokens:
    """Signs with the newest of `SECRET_KEYS`, and reads what any of them has signed."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._keys = [hmac.digest(urlsafe_b64decode(key), b"tidings unsubscribe", "sha256") for key in secret_keys]

    def sign(self, wanted: Unsubscribing) -> str:
        """Raises SettingsError where there is no key."""
        if not self._keys:
            raise SettingsError("SECRET_KEYS: must be set before a link to unsubscribe can be signed")
        user_id = wanted.user_id or _NOBODY
        content = _VERSION + user_id.bytes + wanted.message_id.bytes + wanted.address.encode()
        return urlsafe_b64encode(content + _mac(self._keys[0], content)).rstrip(b"=").decode()

    def read(self, token: str) -> Unsubscribing | None:
        """None for what no key has signed."""
        if len(token) > MAX_LENGTH or not token.isascii():
            return None
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        content, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not any(hmac.compare_digest(_mac(key, content), mac) for key in self._keys):
            return None
        if not content.startswith(_VERSION):
            return None
        user_id = UUID(bytes=content[len(_VERSION) : len(_VERSION) + _ID_BYTES])
        return Unsubscribing(
            user_id=None if user_id == _NOBODY else user_id,
            message_id=UUID(bytes=content[len(_VERSION) + _ID_BYTES : _BEGINNING]),
            address=content[_BEGINNING:].decode(),
        )


def _mac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")[:_MAC_BYTES]
