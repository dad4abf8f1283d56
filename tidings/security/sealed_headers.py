"""Headers of a message that hold secrets: what Postgres keeps of them, and the way back.

A value is sealed for its message (`tidings/security/secretbox.py`). What is sealed begins with a control character, and
no client's header may contain one (`check_headers`), so nobody can hand in what looks sealed. As with recipients, a key
stays in `SECRET_KEYS` as long as messages that were sealed with it wait.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from tidings.domain.account import Sealed
from tidings.domain.headers import is_secret
from tidings.security.secretbox import Purpose, SecretBox

MARK: Final = "\x1b"


def seal_headers(headers: Mapping[str, str], message_id: UUID, box: SecretBox) -> dict[str, str]:
    """The headers as they may be kept. Raises SettingsError where there is no key and one holds a secret."""
    return {
        name: f"{MARK}{box.seal(value, Purpose.HEADER, message_id).decode()}" if is_secret(name) else value
        for name, value in headers.items()
    }


def unseal_headers(headers: Mapping[str, str], message_id: UUID, box: SecretBox) -> dict[str, str]:
    """The headers in clear. Raises UnsealError."""
    return {
        name: box.unseal(Sealed(value[1:].encode()), Purpose.HEADER, message_id) if value.startswith(MARK) else value
        for name, value in headers.items()
    }
