"""Large attachments: what comes in base64 with a message is decoded a piece at a time.

Decoding 20 MB at once holds the loop for 30 to 66 ms, in a thread too: the decoder lets no other thread run. Left as
text they take 10.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.http.body import fault_of
from api.http.problems import InvalidError
from api.http.turns import Turns
from api.messages.schemas import MAX_ATTACHMENTS, AttachmentRequest, MessageRequest

PIECE: Final = 2 * 1024**2
"""Letters of base64 that are decoded at once: up to 5 ms. A multiple of four."""

_bytes: Final = msgspec.json.Decoder(bytes)


class EncodedAttachment(AttachmentRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An attachment as it came."""

    content: str  # type: ignore[assignment]  # in base64


class EncodedRequest(MessageRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message whose attachments are not decoded yet."""

    attachments: Annotated[list[EncodedAttachment], Meta(max_length=MAX_ATTACHMENTS)] | UnsetType = UNSET  # type: ignore[assignment]


ENCODED: Final = msgspec.json.Decoder(EncodedRequest)


async def decoded(request: EncodedRequest) -> MessageRequest:
    """The message as it is meant; other requests have their turn in between. Raises InvalidError."""
    fields = {name: getattr(request, name) for name in MessageRequest.__struct_fields__}
    if not isinstance(request.attachments, UnsetType):
        fields["attachments"] = await _decoded(request.attachments)
    return MessageRequest(**fields)


async def _decoded(attachments: Sequence[EncodedAttachment]) -> list[AttachmentRequest]:
    turns = Turns()
    found = []
    for each in attachments:
        pieces = []
        for piece in _pieces(each.content):
            await turns.pass_on()
            try:
                pieces.append(_bytes.decode(piece))
            except msgspec.ValidationError as error:
                raise InvalidError([msgspec.structs.replace(fault_of(error), field="attachments")]) from None
        fields = {name: getattr(each, name) for name in AttachmentRequest.__struct_fields__}
        found.append(AttachmentRequest(**{**fields, "content": b"".join(pieces)}))
    return found


def _pieces(text: str) -> Iterator[bytes]:
    """As strings of JSON. Only the last may be padded."""
    for start in range(0, len(text), PIECE):
        piece = text[start : start + PIECE]
        padded = "=" in piece and start + PIECE < len(text)
        yield msgspec.json.encode("padding within" if padded else piece)
