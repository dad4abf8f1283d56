"""Links that tidings signs and that hold all that their use needs: base64url of content and 16 bytes of HMAC-SHA256.

The key of a kind of link is derived of one of `SECRET_KEYS`. What a key has signed is good for as long as that key is
among them, and no kind of link is good as another.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from tidings.domain.errors import SettingsError

MAC_BYTES: Final = 16
MAX_LENGTH: Final = 2048


class SignedLinks:
    """Signs with the newest of `SECRET_KEYS`, and reads what any of them has signed."""

    def __init__(self, secret_keys: Sequence[str], kind: str) -> None:
        self._kind = kind
        self._keys = [hmac.digest(urlsafe_b64decode(key), f"tidings {kind}".encode(), "sha256") for key in secret_keys]

    def sign(self, content: bytes) -> str:
        """Raises SettingsError where there is no key."""
        if not self._keys:
            raise SettingsError(f"SECRET_KEYS: must be set before a link ({self._kind}) can be signed")
        return urlsafe_b64encode(content + _mac(self._keys[0], content)).rstrip(b"=").decode()

    def read(self, token: str) -> bytes | None:
        """The content; None for what no key has signed."""
        if len(token) > MAX_LENGTH or not token.isascii():
            return None
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        content, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        return content if any(hmac.compare_digest(_mac(key, content), mac) for key in self._keys) else None


def _mac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")[:MAC_BYTES]
