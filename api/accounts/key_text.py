"""The text of an API key: `tdg_<prefix>_<secret>`.

The prefix (64 random bits) is no secret and finds the key. Of the whole, which holds 256 more, only the SHA-256 is
kept: what cannot be guessed needs no slow hash.
"""

import hmac
import secrets
from hashlib import sha256
from typing import Final

MARK: Final = "tdg_"

_PREFIX_BYTES: Final = 8
_SECRET_BYTES: Final = 32
_PREFIX_LENGTH: Final = len(MARK) + 2 * _PREFIX_BYTES


def new_key() -> tuple[str, str]:
    """The prefix of a key that nobody has, and the key."""
    prefix = f"{MARK}{secrets.token_hex(_PREFIX_BYTES)}"
    return prefix, f"{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def prefix_of(key: str) -> str | None:
    """The part by which a key is found; None for what cannot be a key."""
    if not key.startswith(MARK) or key[_PREFIX_LENGTH : _PREFIX_LENGTH + 1] != "_":
        return None
    return key[:_PREFIX_LENGTH]


def hash_of(key: str) -> bytes:
    """What is kept of a key."""
    return sha256(key.encode()).digest()


def is_key(key: str, kept: bytes) -> bool:
    """Whether the key is the one whose hash is kept. Takes the same time whatever the answer."""
    return hmac.compare_digest(hash_of(key), kept)
