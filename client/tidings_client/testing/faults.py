"""What a fake does to requests, when a test asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx2

from tidings_client.testing.answers import problem


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
