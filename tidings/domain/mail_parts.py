"""What a mail has besides its subject and its text: names, further recipients, HTML, attachments. Pure.

Kept beside the message, so that messages without any of it cost nothing, and lists stay small.
"""

import msgspec


class Mailbox(msgspec.Struct, frozen=True, omit_defaults=True):
    """An address, with the name of whom it is."""

    email: str
    name: str = ""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file that goes with a mail, or an image that its HTML shows."""

    content_type: str
    size: int
    """Bytes."""
    filename: str | None = None
    content_id: str | None = None
    """By which the HTML names it (`<img src="cid:…">`), without angle brackets. None: it is not shown inline."""


class MailParts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one message has of it."""

    html: str | None = None
    sender: Mailbox | None = None
    """Whom it is from. None: the account's address."""
    recipient_name: str = ""
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    attachments: tuple[Attachment, ...] = ()


class KeptMail(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is kept beside one message: its parts, with the contents of its attachments."""

    parts: MailParts
    files: bytes = b""
    """The contents of the attachments, one after the other."""
    remaining: tuple[str, ...] | None = None
    """Recipients that have not got it yet, where others have."""

    def contents(self) -> list[bytes]:
        """The content of each attachment."""
        contents, start = [], 0
        for attachment in self.parts.attachments:
            contents.append(self.files[start : start + attachment.size])
            start += attachment.size
        return contents
