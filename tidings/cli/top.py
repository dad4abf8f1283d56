"""`tidings top`: the API's overview, drawn again with each server-sent event.

In play: one stream (`GET /api/v1/overview/events`) and what is left in memory of the last hour. An API that goes away
is tried again every second, and the view says so meanwhile.
"""

import asyncio
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from api.overview.schemas import History, Overview
from tidings.cli.client import ApiClient, ApiError
from tidings.cli.printing import print_line
from tidings.cli.top_view import away, view

AGAIN_SECONDS: Final = 1.0
_OVERVIEW: Final = "/api/v1/overview"
_EVENTS: Final = "/api/v1/overview/events"


class Past(msgspec.Struct):
    """What was sent in each step of the last hour, put together from the events."""

    step_seconds: int = 1
    sent: dict[int, int] = {}
    """By the Unix time at which the step began."""
    length: int = 0

    def learn(self, history: History) -> None:
        """Takes in new steps, and those that replace known ones."""
        self.step_seconds = history.step_seconds
        self.sent |= dict(zip(history.at, history.sent, strict=True))
        self.length = max(self.length, len(history.at))
        for step in sorted(self.sent)[: -self.length or None]:
            del self.sent[step]

    @property
    def rates(self) -> list[float]:
        """Messages per second, step by step, the last one left out: it is not over."""
        return [self.sent[step] / self.step_seconds for step in sorted(self.sent)[:-1]]


async def top(*, once: bool, url: str, api_key: str, as_json: bool) -> None:
    """Shows the overview until interrupted; once, where there is no terminal to draw on. Raises ApiError."""
    console = Console()
    async with ApiClient(url, api_key) as api:
        if as_json:
            await _print(api, once=once)
        elif once or not console.is_terminal:
            overview = await api.get(_OVERVIEW)
            console.print(_drawn(overview, Past(), url))
        else:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                await _watch(api, live, url)


async def _print(api: ApiClient, *, once: bool) -> None:
    if once:
        print_line(msgspec.json.encode(await api.get(_OVERVIEW)).decode())
        return
    async with aclosing(api.listen(_EVENTS)) as events:
        async for event in events:
            print_line(msgspec.json.encode(event).decode())


async def _watch(api: ApiClient, live: Live, url: str) -> None:
    past = Past()
    shown: RenderableType = ""
    while True:
        try:
            async with aclosing(api.listen(_EVENTS)) as events:
                async for event in events:
                    shown = _drawn(event, past, url)
                    live.update(shown, refresh=True)
        except ApiError as error:
            if error.status is not None and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            live.update(away(shown, str(error)), refresh=True)
        await asyncio.sleep(AGAIN_SECONDS)


def _drawn(answer: Any, past: Past, url: str) -> RenderableType:
    overview = msgspec.convert(answer, Overview)
    past.learn(overview.history)
    return view(overview, past.rates, url)
