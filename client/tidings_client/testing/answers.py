"""Answers of a fake, as the API writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import httpx2

from tidings_client._decoding import json_name

_NO_MESSAGE: Final = "there is no such message"


def problem(
    status: int, detail: str, *, errors: list[dict[str, object]] | None = None, headers: dict[str, str] | None = None
) -> httpx2.Response:
    """A problem document, as the API answers it."""
    document: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        document["errors"] = errors
    return httpx2.Response(
        status,
        content=json.dumps(document).encode(),
        headers={"Content-Type": "application/problem+json", **(headers or {})},
    )


def plain(value: Any) -> Any:
    """JSON of a dataclass, and of what is made of them."""
    if is_dataclass(value) and not isinstance(value, type):
        return {json_name(field.name): plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value


def answered(value: Any, status: int = HTTPStatus.OK, *, replayed: bool = False) -> httpx2.Response:
    """An answer with JSON."""
    headers = {"Content-Type": "application/json"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return httpx2.Response(status, content=json.dumps(plain(value)).encode(), headers=headers)


def batch(ids: list[UUID], *, replayed: bool = False) -> httpx2.Response:
    """The answer to a batch that is kept."""
    return answered({"accepted": len(ids), "ids": ids}, HTTPStatus.CREATED, replayed=replayed)


def invalid(field: str, detail: str) -> httpx2.Response:
    """What is wrong with a field."""
    errors: list[dict[str, object]] = [{"field": field, "detail": detail}]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{field} {detail}", errors=errors)


def missing(detail: str = _NO_MESSAGE) -> httpx2.Response:
    """There is no such thing."""
    return problem(HTTPStatus.NOT_FOUND, detail)
