"""How secrets are written: those that sign webhooks, and the keys that seal what Postgres keeps."""

from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterable
from typing import Final

SIGNING_SECRET_PREFIX: Final = "whsec_"  # noqa: S105  (what a secret begins with)
SIGNING_KEY_BYTES: Final = range(24, 65)

SECRET_KEY_LENGTH: Final = 44
SECRET_KEY_BYTES: Final = 32


def signing_key(secret: str) -> bytes:
    """The key in a webhook secret: `whsec_` and the base64 of 24 to 64 random bytes (Standard Webhooks).

    Raises ValueError, in words that do not repeat the secret.
    """
    if not secret.startswith(SIGNING_SECRET_PREFIX):
        raise ValueError(f"must begin with {SIGNING_SECRET_PREFIX!r}")
    try:
        key = b64decode(secret.removeprefix(SIGNING_SECRET_PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"must be base64 after {SIGNING_SECRET_PREFIX!r}") from None
    if len(key) not in SIGNING_KEY_BYTES:
        raise ValueError(f"must hold {SIGNING_KEY_BYTES[0]} to {SIGNING_KEY_BYTES[-1]} bytes in base64, not {len(key)}")
    return key


def check_secret_keys(keys: Iterable[str]) -> None:
    """Raises ValueError, in words that do not repeat the key, where one of `SECRET_KEYS` cannot be one."""
    for key in keys:
        # What comes after the end of the base64 would be ignored, so the length is checked too.
        try:
            sound = len(key) == SECRET_KEY_LENGTH and len(urlsafe_b64decode(key)) == SECRET_KEY_BYTES
        except ValueError:
            sound = False
        if not sound:
            raise ValueError("must be 32 bytes in URL-safe base64; `tidings secrets new-key` makes one")
