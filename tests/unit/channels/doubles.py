"""What stands in for the world in the tests of channels."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from multidict import CIMultiDict

from tests.factories import new_delivery
from tidings.channels.base import ChannelContext
from tidings.channels.http.transport import NO_HEADERS, Answer, TransportError
from tidings.domain.message import Delivery
from tidings.security.client_certificate import ClientCertificate
from tidings.settings import Settings

NOW = datetime(2026, 3, 1, 12, 0, 0, 900_000, tzinfo=UTC)
MESSAGE_ID = UUID("0195f2b0-0000-7000-8000-000000000001")


class Request(msgspec.Struct):
    """What a channel sent."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    when_repeated: Mapping[str, str] = NO_HEADERS
    certificate: ClientCertificate | None = None
    method: str = "POST"


class ScriptedTransport:
    """Answers with what it was given, and keeps what it was asked."""

    def __init__(self, result: Answer | TransportError) -> None:
        self.result = result
        self.requests: list[Request] = []

    async def post(
        self,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        when_repeated: Mapping[str, str] = NO_HEADERS,
        certificate: ClientCertificate | None = None,
        method: str = "POST",
    ) -> Answer:
        self.requests.append(Request(url, body, headers, when_repeated, certificate, method))
        if isinstance(self.result, TransportError):
            raise self.result
        return self.result

    async def close(self) -> None:
        return None


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """An HTTP answer; `retry_after="5"` becomes the header `Retry-After: 5`."""
    return Answer(status, CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}), body)


_OURS: dict[str, Any] = {"channel": "sms", "recipient": "+905551111111", "content": "Hello"}


def delivery(**changes: Any) -> Delivery:
    """A text message, the same each time but for the changes."""
    same = {**_OURS, "id": MESSAGE_ID, "batch_id": UUID(int=2), "due_at": NOW, "created_at": NOW}
    return new_delivery(**{**same, **changes})


def context(result: Answer | TransportError, **settings: str) -> tuple[ChannelContext, ScriptedTransport]:
    transport = ScriptedTransport(result)
    given = Settings(webhook_unsigned=True, **settings)  # type: ignore[arg-type]  # the settings that the tests name are all texts
    return ChannelContext(
        settings=given, transport=transport, operators_transport=transport, now=lambda: NOW
    ), transport
