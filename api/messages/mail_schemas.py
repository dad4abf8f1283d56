"""What answers show of an e-mail besides its text."""

from collections.abc import Sequence
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from tidings.domain.mail_parts import KeptMail, Mailbox


class AttachmentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An attachment, without its content."""

    filename: str | None
    content_type: str
    content_id: str | None
    size: Annotated[int, Meta(description="Bytes.")]


class MailAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an e-mail has besides its text."""

    html: str | None
    sender: Mailbox | None = msgspec.field(name="from")
    recipient_name: str
    cc: Sequence[Mailbox]
    bcc: Sequence[Mailbox]
    reply_to: Sequence[Mailbox]
    attachments: Sequence[AttachmentAnswer]
    remaining: Annotated[
        Sequence[str] | None, Meta(description="Recipients that have not got it yet, where others have.")
    ]

    @classmethod
    def of(cls, kept: KeptMail) -> Self:
        """What the store keeps beside a message."""
        values = {name: getattr(kept.parts, name) for name in kept.parts.__struct_fields__}
        values["attachments"] = [
            msgspec.convert(each, AttachmentAnswer, from_attributes=True) for each in kept.parts.attachments
        ]
        return cls(**values, remaining=kept.remaining)
