"""Server-sent events, line by line."""

from collections.abc import AsyncIterator

import pytest

from tidings.cli.client import Event, events


async def read(text: str) -> list[Event]:
    async def lines() -> AsyncIterator[bytes]:
        for line in text.encode().splitlines(keepends=True):
            yield line

    return [event async for event in events(lines())]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("data: 1\n\ndata:2\n\n", [Event("message", "1"), Event("message", "2")]),
        ("event: overview\r\ndata: {}\r\n\r\n", [Event("overview", "{}")]),
        ("data: a\ndata: b\n\n", [Event("message", "a\nb")]),
        (": still here\n\n:\n\ndata: 1\n\n", [Event("message", "1")]),
        ("event: nothing\n\ndata: 1\n\n", [Event("message", "1")]),
        ("id: 7\nretry: 9\ndata: 1\n\ndata: cut of", [Event("message", "1")]),
        ("", []),
    ],
)
async def test_events(text: str, found: list[Event]) -> None:
    assert await read(text) == found
