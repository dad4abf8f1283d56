"""Signatures of webhooks, by the Standard Webhooks specification (https://www.standardwebhooks.com), scheme `v1`.

A secret is written as `whsec_` and the base64 of 24 to 64 random bytes; the bytes are the key of an HMAC-SHA256.
"""

import hmac
from base64 import b64decode, b64encode
from typing import Final

PREFIX: Final = "whsec_"
KEY_BYTES: Final = range(24, 65)


def signing_key(secret: str) -> bytes:
    """The key in a secret. Raises ValueError, in words that do not repeat the secret."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"must begin with {PREFIX!r}")
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"must be base64 after {PREFIX!r}") from None
    if len(key) not in KEY_BYTES:
        raise ValueError(f"must hold {KEY_BYTES[0]} to {KEY_BYTES[-1]} bytes in base64, not {len(key)}")
    return key


def signature(key: bytes, *, message_id: str, timestamp: str, body: bytes) -> str:
    """The value of `webhook-signature` for this body."""
    digest = hmac.digest(key, b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), body), "sha256")
    return f"v1,{b64encode(digest).decode()}"
