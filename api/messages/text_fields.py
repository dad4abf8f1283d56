"""The fields that text messages alone have."""

from typing import Annotated

from msgspec import Meta

GatewayField = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=67,
        description="Of a text message: by which gateway it goes, by name; absent: the one that fits best.",
    ),
]
SmartEncodingField = Annotated[
    bool,
    Meta(
        description=(
            "Of a text message: typographic quotes, dashes and spaces become plain ones where the text is in GSM's "
            "alphabet then, and so takes fewer parts. Absent: `SMS_SMART_ENCODING`."
        )
    ),
]
GatewayShown = Annotated[
    str | None,
    Meta(
        description=(
            "Of a text message: which gateway had it last, or has to take it; `me/…` is one of its user's own. "
            "Null: none yet, or the one of `WEBHOOK_URL`."
        )
    ),
]
SenderShown = Annotated[str | None, Meta(description="Of a text message: whom it is from, where it said.")]
PartsShown = Annotated[int | None, Meta(description="Of a text message: of how many parts it is.")]
