"""Links in mails about an account: that its e-mail address is its user's, and another password in place of a lost one.

Nothing is kept of them. One for a password is good once: it names the version of the user's bearer tokens, which every
new password counts up. Both end by themselves, and where the address is another one meanwhile.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from tidings.security.links import SignedLinks

_ID_BYTES: Final = 16
_NUMBER_BYTES: Final = 8
_BEGINNING: Final = _ID_BYTES + 2 * _NUMBER_BYTES


class LinkKind(StrEnum):
    """What a link does, and the name of its path."""

    PROOF = "proof"
    PASSWORD = "password"  # noqa: S105  (a name)


LIFE: Final = {LinkKind.PROOF: timedelta(days=3), LinkKind.PASSWORD: timedelta(hours=1)}


class AccountLink(msgspec.Struct, frozen=True):
    """Whom a link is for."""

    user_id: UUID
    token_version: int
    address: str


class AccountLinks:
    """Signs links of both kinds, and reads them."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._links = {kind: SignedLinks(secret_keys, f"account {kind}") for kind in LinkKind}

    def sign(self, kind: LinkKind, link: AccountLink, now: datetime) -> str:
        """Raises SettingsError where there is no key."""
        numbers = (link.token_version, int((now + LIFE[kind]).timestamp()))
        content = link.user_id.bytes + b"".join(number.to_bytes(_NUMBER_BYTES) for number in numbers)
        return self._links[kind].sign(content + link.address.encode())

    def read(self, kind: LinkKind, token: str, now: datetime) -> AccountLink | None:
        """None for what no key has signed, and what is over."""
        content = self._links[kind].read(token)
        if content is None or len(content) < _BEGINNING:
            return None
        version, until = (
            int.from_bytes(content[start : start + _NUMBER_BYTES]) for start in (_ID_BYTES, _ID_BYTES + _NUMBER_BYTES)
        )
        if datetime.fromtimestamp(until, UTC) <= now:
            return None
        return AccountLink(UUID(bytes=content[:_ID_BYTES]), version, content[_BEGINNING:].decode())
