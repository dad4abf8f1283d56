"""From Python to the JSON that the API takes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from tidings_client._decoding import json_name


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is not None, under its name in JSON."""
    # A message of many mostly has neither; to find that out takes a fifth of the time.
    if "from_" not in values and None not in values.values():
        return values if isinstance(values, dict) else dict(values)
    return {json_name(name): value for name, value in values.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON that the API takes")


def time_text(value: datetime) -> str:
    """A time for the API. Raises ValueError for one without a time zone, which could mean any."""
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone; datetime.now(timezone.utc) has one")
    return value.isoformat()


_encoder: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)


def encode(value: object) -> bytes:
    """JSON in UTF-8. Raises ValueError for a text or number that has none, TypeError for another thing."""
    return _encoder.encode(value).encode()
