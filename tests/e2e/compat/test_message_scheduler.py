"""Message Scheduler System, as its clients know it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.e2e.compat.client import Client
from tests.e2e.system import System
from tests.eventually import eventually
from tidings.domain.timestamps import utc_now

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/echoAtTime"


async def schedule(client: Client, when: object, message: object) -> str:
    """Posts a message; answers where it is found."""
    answer = await client.post(PATH, {"time": when, "message": message})
    assert (answer.status, answer.text, answer.content_type) == (
        200,
        "Message scheduled successfully",
        "text/plain",
    )
    return answer.headers["Location"]


def times_printed(system: System, text: str) -> int:
    """How often the consumers' logger printed it."""
    lines = [line for process in system.processes("consumers") for line in process.log().splitlines()]
    return sum(msgspec.json.decode(line)["event"] == text for line in lines)


async def until_printed(system: System, text: str) -> None:
    async def look() -> bool:
        return times_printed(system, text) > 0

    await eventually(look)


async def test_a_message_is_printed_at_its_time(system: System, client: Client) -> None:
    moment = utc_now() + timedelta(seconds=1)
    location = await schedule(client, moment.isoformat().replace("+00:00", "Z"), "Hello future!")
    await until_printed(system, "Hello future!")
    assert 0 <= time.time() - moment.timestamp() < 1
    await system.until_status(location.rpartition("/")[2], "sent")
    assert times_printed(system, "Hello future!") == 1


@pytest.mark.parametrize(
    ("when", "due_at"),
    [
        ("2030-06-13T12:00:00Z", datetime(2030, 6, 13, 12, tzinfo=UTC)),
        (1907582400000, datetime(2030, 6, 13, 12, tzinfo=UTC)),
        ("Thu, 13 Jun 2030 14:00:00 GMT+0200", datetime(2030, 6, 13, 12, tzinfo=UTC)),
        ("June 13, 2030 12:00 UTC", datetime(2030, 6, 13, 12, tzinfo=UTC)),
    ],
)
async def test_every_way_to_write_a_time(client: Client, when: object, due_at: datetime) -> None:
    message = (await client.get(await schedule(client, when, "later"))).json
    assert (message["status"], datetime.fromisoformat(message["due_at"])) == ("pending", due_at)


@pytest.mark.parametrize("when", ["2024-06-13T12:00:00Z", 1, "0001-01-01T00:00:00Z", True, -5])
async def test_the_past_is_now(system: System, client: Client, when: object) -> None:
    await schedule(client, when, f"from the past: {when}")
    await until_printed(system, f"from the past: {when}")


@pytest.mark.parametrize(
    ("message", "printed"), [(42, "42"), (True, "true"), ({"a": [1, None]}, '{"a":[1,null]}'), ([], "[]")]
)
async def test_what_is_no_text_is_printed_as_json(client: Client, message: Any, printed: str) -> None:
    location = await schedule(client, "2030-01-01T00:00:00Z", message)
    assert (await client.get(location)).json["content"] == printed


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"time": "2030-01-01T00:00:00Z"},
        {"message": "x"},
        {"time": 0, "message": "x"},
        {"time": "", "message": "x"},
        {"time": None, "message": "x"},
        {"time": "2030-01-01T00:00:00Z", "message": ""},
        {"time": "2030-01-01T00:00:00Z", "message": 0},
        {"time": "nonsense", "message": False},
    ],
)
async def test_something_is_missing(client: Client, body: object) -> None:
    answer = await client.post(PATH, body)
    assert (answer.status, answer.text) == (400, "Missing time or message")


@pytest.mark.parametrize("when", ["nonsense", "2030-13-01T00:00:00Z", "1907582400000", {}, 1e300])
async def test_no_time(client: Client, when: object) -> None:
    answer = await client.post(PATH, {"time": when, "message": "x"})
    assert (answer.status, answer.text) == (400, "Invalid time format")


@pytest.mark.parametrize(
    ("method", "path", "data", "status"),
    [
        ("POST", PATH, "{", 400),
        ("POST", PATH, '{"time": "2200-01-01", "message": "x"}', 400),
        ("POST", PATH, '{"time": "2030-01-01", "message": "\\u0000"}', 400),
        ("POST", PATH, f'{{"message": "{"x" * 1024**2}"}}', 413),
        ("GET", PATH, None, 405),
        ("POST", f"{PATH}/x", None, 404),
    ],
)
async def test_errors_are_plain_text(client: Client, method: str, path: str, data: str | None, status: int) -> None:
    answer = await client.send(method, path, data=data, **{"Content-Type": "application/json"})
    assert (answer.status, answer.content_type) == (status, "text/plain")
    assert answer.text


async def test_another_type_of_body_holds_nothing(client: Client) -> None:
    answer = await client.send("POST", PATH, data="time=1&message=x")
    assert (answer.status, answer.text) == (400, "Missing time or message")
