"""`tidings queues`: every queue with its switch and its pace, and changing them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from rich.text import Text

from tidings.cli import NotDoneError
from tidings.cli.client import ApiClient, ApiError
from tidings.cli.options import Api
from tidings.cli.printing import print_json, print_line, print_table, printable, shown_time
from tidings.cli.times import duration
from tidings_client.paths import of_queue


async def show(*, api: Api, as_json: bool) -> None:
    """Prints all queues, by name."""
    async with ApiClient(api.url, api.api_key) as client:
        answer = await client.get("/api/v1/queues")
    if as_json:
        print_json(answer)
        return
    rows = [
        (
            printable(queue["name"]),
            Text("on", style="green") if queue["active"] else Text("stopped", style="yellow"),
            _pace_of(queue),
            shown_time(queue["last_claimed_at"]),
        )
        for queue in answer["queues"]
    ]
    print_table(("queue", "state", "pace", "interval began (UTC)"), rows)


async def set_active(name: str, *, active: bool, api: Api, as_json: bool) -> None:
    """Starts or stops a queue. Raises NotDoneError where there is none of that name."""
    async with _changing(name, api) as client:
        queue = await client.post(of_queue(name, "/start" if active else "/stop"))
    _say(queue, as_json=as_json)


async def set_pace(name: str, *, every: str, messages: int | None, api: Api, as_json: bool) -> None:
    """Gives a queue a pace, and makes it where it is new. Raises TimeError for an interval that is none."""
    interval = 0.0 if every == "0" else duration(every).total_seconds()
    async with _changing(name, api) as client:
        queue = await client.put(of_queue(name), {"interval_seconds": interval, "batch_size": messages})
    _say(queue, as_json=as_json)


def words_of_pace(interval_seconds: float, batch_size: int | None) -> str:
    """How fast a queue goes."""
    if not interval_seconds:
        return "as soon as due"
    return f"{f'{batch_size:,}' if batch_size else 'all that is due'} every {interval_seconds:g} s"


def _pace_of(queue: Mapping[str, Any]) -> str:
    return words_of_pace(queue["interval_seconds"], queue["batch_size"])


@asynccontextmanager
async def _changing(name: str, api: Api) -> AsyncIterator[ApiClient]:
    try:
        async with ApiClient(api.url, api.api_key) as client:
            yield client
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        shown = printable(name)
        raise NotDoneError(
            f"queue {shown!r} does not exist; create it: tidings queues pace {shown} --every 0"
        ) from None


def _say(queue: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(queue)
    else:
        print_line(f"{queue['name']} is {'on' if queue['active'] else 'stopped'}, {_pace_of(queue)}")
