"""What a fake does to requests, when a test asks for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx2


@dataclass
class Fault:
    """What the next requests meet."""

    times: int
    done: bool = False
    """Whether the request is done before it fails."""
    status: int | None = None
    """None: the connection is lost."""
    detail: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """A problem document. Raises ConnectError or ReadError for a connection that is lost."""
        if self.status is None:
            kind = httpx2.ReadError if self.done else httpx2.ConnectError
            raise kind("the fake lost the connection", request=request)
        return problem(self.status, self.detail or "the fake was told to refuse", headers=self.headers)


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
