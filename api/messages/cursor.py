"""The cursor of a list: the id of its last message, opaque to the client.

URL-safe base64 without padding (RFC 4648, section 5). Ids are ordered by time, so a page begins where the last one
ended, whatever was accepted in between.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from uuid import UUID

_LENGTH: Final = 22


class CursorError(ValueError):
    """The text is no cursor of ours."""


def encode(last: UUID) -> str:
    """The cursor of the page after the one that ends with `last`."""
    return urlsafe_b64encode(last.bytes).rstrip(b"=").decode("ascii")


def decode(cursor: str) -> UUID:
    """The id in a cursor. Raises CursorError for a text that `encode` cannot have given."""
    try:
        last = UUID(bytes=urlsafe_b64decode(f"{cursor}==")) if len(cursor) == _LENGTH else None
    except (ValueError, binascii.Error):
        last = None
    # base64 reads some texts that it would not write.
    if last is None or encode(last) != cursor:
        raise CursorError("is not a cursor that a list answered")
    return last
