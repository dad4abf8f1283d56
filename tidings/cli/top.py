"""`tidings top`: the API's overview, drawn again with each server-sent event, on a terminal of any width.

In play: one stream (`GET /api/v1/overview/events`) and what is left in memory of the last hour. An API that goes away
is tried again every second, and the view says so meanwhile.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from http import HTTPStatus
from operator import itemgetter
from typing import Any, Final

import msgspec
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from api.overview.schemas import ConsumerOverview, Flow, Health, History, Overview, QueueOverview, Totals
from tidings.cli.client import ApiClient, ApiError
from tidings.cli.options import Api
from tidings.cli.printing import print_line, printable, rfc3339, shown_time
from tidings.cli.queues import words_of_pace
from tidings.observability.reports import HeldReport

AGAIN_SECONDS: Final = 1.0
RATES_DRAWN: Final = 5
HOLDS_DRAWN: Final = 5
_OVERVIEW: Final = "/api/v1/overview"
_EVENTS: Final = "/api/v1/overview/events"
BARS: Final = "▁▂▃▄▅▆▇█"
UNKNOWN: Final = "?"
WORDS: Final = frozenset({"queue", "channel", "consumer", "state", "pace", "health", "pauses for"})
"""Columns of text, which wrap if a line is too short; numbers do not."""
HEALTH_STYLES: Final = {Health.WELL: "green", Health.FULL: "cyan", Health.STOPPING: "yellow"}


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


async def top(*, once: bool, api: Api, as_json: bool) -> None:
    """Shows the overview until interrupted; once, where there is no terminal to draw on. Raises ApiError."""
    console = Console()
    async with ApiClient(api.url, api.api_key) as client:
        if as_json:
            await _print(client, once=once)
        elif once or not console.is_terminal:
            overview = await client.get(_OVERVIEW)
            console.print(_drawn(overview, Past(), api.url))
        else:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                await _watch(client, live, api.url)


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


def view(overview: Overview, rates: Sequence[float], url: str) -> RenderableType:
    """Everything, one below the other: state, totals, the rate of the last hour, queues, channels, consumers."""
    return Group(
        _head(overview, url),
        _totals(overview.totals),
        *_held(overview.held),
        Sparkline(rates),
        Text(),
        _queues(overview.queues),
        Text(),
        *_channels(overview),
        _consumers(overview.consumers),
        *_rates(overview.consumers),
    )


def away(shown: RenderableType, reason: str) -> RenderableType:
    """The last view, under what is wrong."""
    return Group(Text(f"{reason}; trying again", style="bold red"), shown)


class Sparkline:
    """Bars as high as the rates, as many of the last ones as the line has room for."""

    def __init__(self, rates: Sequence[float]) -> None:
        self._rates = rates

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = self._rates[-options.max_width :]
        highest = max(shown, default=0.0) or 1.0
        yield Segment("".join(BARS[round(rate / highest * (len(BARS) - 1))] for rate in shown))
        yield Segment.line()


def _head(overview: Overview, url: str) -> Text:
    head = Text.assemble(("tidings ", "bold"), (f"{url}  {shown_time(rfc3339(overview.at))} UTC  ", "dim"))
    amiss = {name: said for name, said in overview.checks.items() if said != "ok"}
    if overview.held is not None and overview.held.gateway is not None:
        amiss["gateway"] = overview.held.gateway
    if not amiss:
        return head.append("all is well", style="green")
    return head.append(", ".join(f"{name} {said}" for name, said in amiss.items()), style="bold red")


def _held(report: HeldReport | None) -> list[RenderableType]:
    """What waits for something else, and which endpoints wait for somebody."""
    if report is None or not (report.messages or report.holds):
        return []
    counts = [f"{held.messages:,} {held.reason.replace('_', ' ')} ({_span(held.seconds)})" for held in report.messages]
    holds = [f"{hold.channel} {printable(hold.endpoint)}" for hold in report.holds[:HOLDS_DRAWN]]
    lines = [("held  ", counts), ("waits for `tidings holds release`  ", holds)]
    return [Text.assemble((name, "dim"), (", ".join(said), "yellow")) for name, said in lines if said]


def _totals(totals: Totals) -> Columns:
    numbers = {
        "in flight": _count(totals.in_flight),
        "due": _count(totals.due),
        "waiting": _count(totals.waiting, capped=totals.waiting_capped),
    }
    if flow := totals.flow:
        numbers |= {
            "sent/s": _rate(flow.sent),
            "failed/s": _rate(flow.failed),
            "late p50/p99": f"{_span(flow.lateness_p50)}/{_span(flow.lateness_p99)}",
            "delivery p50/p99": f"{_span(flow.duration_p50)}/{_span(flow.duration_p99)}",
        }
    # As many beside one another as fit.
    return Columns([Text.assemble((name, "dim"), f"\n{number}") for name, number in numbers.items()], padding=(0, 2))


def _queues(queues: Iterable[QueueOverview]) -> Table:
    table = _table("queue", "state", "pace", "waiting", "due", "going", "sent/s", "failed/s", "late p99")
    for queue in queues:
        table.add_row(
            Text(printable(queue.name)),
            Text("on", style="green") if queue.active else Text("stopped", style="yellow"),
            words_of_pace(queue.interval_seconds, queue.batch_size),
            _count(queue.waiting, capped=queue.waiting_capped),
            _count(queue.due),
            _count(queue.processing),
            *_flow_cells(queue.flow),
        )
    return table


def _channels(overview: Overview) -> list[RenderableType]:
    if not overview.channels:
        return []
    table = _table("channel", "sent/s", "failed/s", "late p99", "delivery p99")
    for channel in overview.channels:
        table.add_row(Text(printable(channel.name)), *_flow_cells(channel.flow), _span(channel.flow.duration_p99))
    return [table, Text()]


def _consumers(consumers: Iterable[ConsumerOverview]) -> Table:
    table = _table("consumer", "health", "in flight", "in line", "batches", "not recorded", "pauses for")
    for consumer in consumers:
        table.add_row(
            Text(printable(consumer.name)),
            Text(consumer.health.value, style=HEALTH_STYLES.get(consumer.health, "bold red")),
            f"{consumer.in_flight:,}/{consumer.in_flight_limit:,}",
            f"{consumer.waiting:,}",
            f"{consumer.open_batches:,}",
            f"{consumer.outcomes_waiting:,}",
            Text(", ".join(f"{printable(each.destination)} {each.seconds:.0f} s" for each in consumer.breakers)),
        )
    return table


def _rates(consumers: Iterable[ConsumerOverview]) -> list[RenderableType]:
    """What receivers that answer 429 are sent by all consumers together."""
    rates: dict[str, float] = {}
    for consumer in consumers:
        for each in consumer.rates:
            rates[each.destination] = rates.get(each.destination, 0.0) + each.rate
    slowest = sorted(rates.items(), key=itemgetter(1))[:RATES_DRAWN]
    said = ", ".join(f"{printable(destination)} {rate:.3g}/s" for destination, rate in slowest)
    return [Text.assemble(("limited by 429 to  ", "dim"), (said, "yellow"))] if rates else []


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        words = heading in WORDS
        table.add_column(heading, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    return table


def _flow_cells(flow: Flow | None) -> tuple[str, str, str]:
    if flow is None:
        return "–", "–", "–"
    return _rate(flow.sent), _rate(flow.failed), _span(flow.lateness_p99)


def _count(number: int | None, *, capped: bool = False) -> str:
    return UNKNOWN if number is None else f"{number:,}{'+' if capped else ''}"


def _rate(rate: float) -> str:
    return f"{rate:,.1f}"


def _span(seconds: float | None) -> str:
    """A length of time in the unit that suits it."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:,.0f} min"  # noqa: PLR2004  where minutes read better
