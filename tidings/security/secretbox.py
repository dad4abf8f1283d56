"""Secrets at rest: what Postgres keeps of an SMTP password or a signing secret.

A secret is sealed with the newest of `SECRET_KEYS` (Fernet: AES-128-CBC and HMAC-SHA256, https://github.com/fernet/spec)
and opened with any of them, so keys are exchanged without a gap: put a new one first everywhere, run `tidings secrets
rotate`, take the old one away. Each is sealed for one purpose and one owner, since Fernet knows no associated data:
both stand before the secret, inside, and a ciphertext that was moved to another row or column does not open there.
"""

import hmac
from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tidings.domain.account import Sealed
from tidings.domain.errors import SettingsError, UnsealError
from tidings.domain.secrets import check_secret_keys


class Purpose(StrEnum):
    """What a secret is for; part of what is sealed, so a name once given stays."""

    SMTP_PASSWORD = "smtp-password"  # noqa: S105  (the purpose's name)
    WEBHOOK_SECRET = "webhook-secret"  # noqa: S105
    RECIPIENT = "recipient"
    HEADER = "header"
    GATEWAY = "gateway"
    ENDPOINT = "endpoint"


class SecretBox:
    """Seals and opens secrets with `SECRET_KEYS`, newest first. Without any, it can do neither."""

    def __init__(self, keys: Sequence[str]) -> None:
        check_secret_keys(keys)
        fernets = [Fernet(key) for key in keys]
        self._newest = fernets[0] if fernets else None
        self._any = MultiFernet(fernets) if fernets else None

    def __repr__(self) -> str:
        return "SecretBox(…)" if self._any else "SecretBox()"

    def seal(self, secret: str, purpose: Purpose, owner: UUID) -> Sealed:
        """The secret as it may be kept. Raises SettingsError where there is no key."""
        if self._newest is None:
            raise SettingsError("SECRET_KEYS: must be set before an SMTP password or a signing secret can be kept")
        return Sealed(self._newest.encrypt(_label(purpose, owner) + secret.encode()))

    def unseal(self, sealed: Sealed, purpose: Purpose, owner: UUID) -> str:
        """The secret in clear. Raises UnsealError, in words that say nothing of it."""
        if self._any is None:
            raise UnsealError("SECRET_KEYS is not set: a secret that is kept cannot be read")
        try:
            content = self._any.decrypt(sealed)
        except InvalidToken:
            raise UnsealError("none of SECRET_KEYS opens a secret that is kept") from None
        label = _label(purpose, owner)
        if not hmac.compare_digest(content[: len(label)], label):
            raise UnsealError(f"a secret that is kept is not the {purpose} of its row")
        return content[len(label) :].decode()

    def reseal(self, sealed: Sealed, purpose: Purpose, owner: UUID) -> Sealed:
        """The same secret under the newest key; what is under it already comes back as it was.

        Raises UnsealError.
        """
        secret = self.unseal(sealed, purpose, owner)
        try:
            if self._newest is not None:
                self._newest.decrypt(sealed)
        except InvalidToken:
            return self.seal(secret, purpose, owner)
        return sealed


def new_key() -> str:
    """A key for `SECRET_KEYS`."""
    return Fernet.generate_key().decode()


def _label(purpose: Purpose, owner: UUID) -> bytes:
    return f"{purpose}\0".encode() + owner.bytes
