"""Recipients that are secrets themselves: sealed before Postgres keeps them, opened just before the delivery.

An Apprise URL holds the tokens of its service. What is kept of `slack://TokenA/TokenB` is `slack://` and a ciphertext
that opens for this message alone; what is shown of it is `slack://…`. The recipients of all other channels are kept
and shown as they are.

The same recipient is sealed differently each time, so messages of these channels cannot be found by recipient. A key
stays in `SECRET_KEYS` as long as messages that were sealed with it wait: rotation does not touch them.
"""

from typing import Final
from uuid import UUID

from tidings.domain.account import Sealed
from tidings.domain.errors import UnsealError
from tidings.security.secretbox import Purpose, SecretBox

SEALED_CHANNELS: Final = frozenset({"apprise"})


def seal_recipient(box: SecretBox, message_id: UUID, channel: str, recipient: str) -> str:
    """The recipient as it is kept. Raises SettingsError where `SECRET_KEYS` is empty."""
    if channel not in SEALED_CHANNELS:
        return recipient
    schema, _, _ = recipient.partition("://")
    return f"{schema}://{box.seal(recipient, Purpose.RECIPIENT, message_id).decode()}"


def unseal_recipient(box: SecretBox, message_id: UUID, channel: str, kept: str) -> str:
    """The recipient in clear. Raises UnsealError."""
    if channel not in SEALED_CHANNELS:
        return kept
    _, _, sealed = kept.partition("://")
    if not sealed.isascii():
        raise UnsealError("a recipient that should be sealed is not")
    return box.unseal(Sealed(sealed.encode()), Purpose.RECIPIENT, message_id)


def shown_recipient(channel: str, kept: str) -> str:
    """The recipient as an answer, a list or a page may show it."""
    if channel not in SEALED_CHANNELS:
        return kept
    schema, _, _ = kept.partition("://")
    return f"{schema}://…"
