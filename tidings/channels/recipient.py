"""The recipients of a channel: the half of it that the API uses. Pure, and free of what only deliveries need.

Each channel that comes with tidings has rules of its own in `<channel>/recipient.py`. A channel of another package may
register some in the entry point group `tidings.recipients`; if it does not, those of `Recipients` apply.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple
from uuid import UUID

from tidings.domain.account import Sender
from tidings.domain.contents import content_limits
from tidings.domain.headers import check_headers
from tidings.domain.message import Delivery, Message
from tidings.domain.retry import USUAL_DELAYS, Delays
from tidings.settings import Settings

if TYPE_CHECKING:
    from tidings.security.secretbox import SecretBox

MAX_BYTES: Final = 2048
"""Length of a recipient in UTF-8: enough for any URL in use, and short enough for an index row of Postgres."""
_TOO_LONG: Final = f"is longer than {MAX_BYTES} bytes"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class RecipientError(ValueError):
    """The channel has no such recipient; the text is one line for the client."""


class ContentError(ValueError):
    """The channel takes no such text; this is one line for the client."""


class EndpointKey(NamedTuple):
    """An endpoint, as breakers and the reports of consumers name it; without what may be a secret."""

    name: str
    user_id: UUID | None = None
    """The user whose messages it concerns; None: everybody's."""


class Recipients:
    """Rules for the recipients of one channel. By default: any text of one line, stored and shown as it is.

    A recipient that is a secret must be sealed: override `seal`, `unseal` and `show` together. Sealed differently each
    time, such messages cannot be found by recipient.
    """

    only_destination: ClassVar[str | None] = None
    """The key of the receiver, if all messages go to one."""
    retry_delays: ClassVar[Delays] = USUAL_DELAYS
    """When a message of this channel is tried again; one more is how often it is tried."""
    max_content_bytes: ClassVar[int] = 256 * 1024
    """How much text a message may have, where `MAX_CONTENT_BYTES` says nothing of this channel."""
    takes_mail_parts: ClassVar[bool] = False
    """Whether a message may have HTML, attachments, further recipients and the like."""

    def check(self, recipient: str) -> str:
        """Returns the normal form, which is what is stored. Raises RecipientError."""
        if len(recipient) > MAX_BYTES:  # before anything else looks at it
            raise RecipientError(_TOO_LONG)
        recipient = recipient.strip()
        if not recipient:
            raise RecipientError("must not be empty")
        if _CONTROL.search(recipient):
            raise RecipientError("must not contain control characters")
        normal = self.normalise(recipient)
        try:
            size = len(normal.encode())
        except UnicodeEncodeError:
            raise RecipientError("is not valid Unicode text") from None
        if size > MAX_BYTES:
            raise RecipientError(_TOO_LONG)
        return normal

    def normalise(self, recipient: str) -> str:
        """The channel's part of `check`, for a text that is one stripped line. Raises RecipientError."""
        return recipient

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Raises HeaderError for what a message of this channel cannot carry."""
        check_headers(headers)

    def check_content(self, channel: str, content: str, html: str, settings: Settings) -> None:
        """Raises ContentError for a text that is too long. `html` is that of a mail."""
        limit = content_limits(settings.max_content_bytes).get(channel, self.max_content_bytes)
        size = len(content.encode()) + len(html.encode())
        if size > limit:
            raise ContentError(f"has {size} bytes; channel {channel} takes {limit} (MAX_CONTENT_BYTES)")

    def seal(self, recipient: str, message_id: UUID, settings: Settings, *, operators: bool = False) -> str:
        """What Postgres stores of a checked recipient; `operators`: of a message of the operator's own.

        Raises RecipientError if these settings do not allow it, and SettingsError if `SECRET_KEYS` is empty.
        """
        return recipient

    def unseal(self, stored: str, message_id: UUID, box: "SecretBox") -> str:
        """The recipient in clear. Raises UnsealError."""
        return stored

    def show(self, stored: str) -> str:
        """What responses, lists and pages may show of it."""
        return stored

    def destination(self, message: Message | Delivery, sender: Sender | None) -> str | None:
        """The key of the receiver that a message goes to; None if only the channel itself knows it.

        `sender` is the message's user, where it has one that is known.
        """
        return self.only_destination

    def endpoint(self, message: Message | Delivery, sender: Sender | None) -> EndpointKey | None:
        """What has a breaker of its own within the destination; None if only the channel knows it.

        By default the destination itself, for all users.
        """
        key = self.destination(message, sender)
        return None if key is None else EndpointKey(key)
