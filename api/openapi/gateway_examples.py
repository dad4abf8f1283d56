"""What answers about SMS gateways look like."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from api.gateways.schemas import GatewayAnswer, GatewayList, PresetAnswer, PresetList

GATEWAY: Final = GatewayAnswer(
    id=UUID("0195f2b0-0000-7000-8000-0000000000a1"),
    name="twilio",
    shared=False,
    preset="twilio",
    spec=None,
    base_url="",
    credentials=["account_sid", "auth_token"],
    senders=["+15005550006"],
    users=None,
    prefixes=None,
    short_codes=False,
    weight=1,
    allow_duplicates=False,
    per_second=None,
    concurrency=None,
    price="0.0075 EUR",
    enabled=True,
    receipt_url="https://mail.example.com/receipts/0195f2b0-0000-7000-8000-0000000000a1/…",
    created_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    updated_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
)
GATEWAYS: Final = GatewayList(gateways=[GATEWAY])
PRESETS: Final = PresetList(
    presets=[
        PresetAnswer(
            name="twilio",
            title="Twilio Programmable Messaging",
            docs="https://www.twilio.com/docs/messaging/api/message-resource",
            base_url="https://api.twilio.com",
            credentials=["account_sid", "auth_token"],
            optional=["messaging_service_sid"],
            needs_from=False,
        )
    ]
)
