"""What lists and recipients may take of the API's memory."""

import asyncio
import tracemalloc
from typing import Any, Final

import aiohttp
import asyncpg
import msgspec
from yarl import URL

from api.messages import validation
from tests.integration.api.accounts.people import OPERATORS_KEY, operator
from tests.integration.api.client import MESSAGE, Api
from tidings.settings import Settings

MEBIBYTE: Final = 1024**2
PAGE_BYTES: Final = 5 * MEBIBYTE
LARGEST: Final = 500
LISTS: Final = ("/api/v1/messages?limit=500", "/api/v1/list", "/messages", "/messages/sent")


async def keep(api: Api, settings: Settings, *, content: str, headers: str | None = None) -> None:
    """Five hundred sent messages with this content, an expression of SQL; sizes that no request could have any more."""
    batch = {"messages": [{**MESSAGE, "content": "x"}] * LARGEST}
    assert (await operator(api).post("/api/v1/messages/batch", batch)).status == 201
    connection = await asyncpg.connect(settings.postgres_uri)
    try:
        # Past the trigger that keeps the order of states.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            f"UPDATE messages SET status = 'sent', sent_at = now(), content = {content}, headers = {headers or 'NULL'}"
        )
    finally:
        await connection.close()


async def read(api: Api, session: aiohttp.ClientSession, path: str) -> tuple[bytes, str]:
    headers = {"Authorization": f"Bearer {OPERATORS_KEY}"}
    async with session.get(api.url.join(URL(path)), headers=headers) as response:
        assert response.status == 200
        return await response.read(), response.headers.get("Link", "")


async def test_four_lists_of_the_largest_at_once(api: Api, settings: Settings) -> None:
    await keep(api, settings, content=f"repeat('x', {MEBIBYTE})")
    async with aiohttp.ClientSession() as session:
        tracemalloc.start()
        try:
            answers = await asyncio.gather(*(read(api, session, path) for path in LISTS))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 64 * MEBIBYTE
    assert max(len(body) for body, _ in answers) <= PAGE_BYTES


async def test_a_page_is_bounded_by_bytes_and_the_next_one_goes_on(api: Api, settings: Settings) -> None:
    header = "jsonb_build_object('X-A', repeat('x', 40000))"
    await keep(api, settings, content=f"repeat('\u0308', {MEBIBYTE})", headers=header)
    found: list[dict[str, Any]] = []
    cursor, pages = "", 0
    while True:
        answer = await operator(api).get(f"/api/v1/messages?limit=500{cursor}")
        assert len(msgspec.json.encode(answer.body)) <= PAGE_BYTES
        found += answer.body["messages"]
        pages += 1
        if answer.body["next_cursor"] is None:
            break
        cursor = f"&cursor={answer.body['next_cursor']}"
    assert pages > 1
    assert len({message["id"] for message in found}) == LARGEST
    assert all(message["content_truncated"] and len(message["content"]) == 4096 for message in found)
    whole = await operator(api).get(f"/api/v1/messages/{found[0]['id']}")
    assert (len(whole.body["content"]), whole.body["content_truncated"]) == (MEBIBYTE, False)


async def test_the_lists_of_the_older_systems_go_on_too(api: Api, settings: Settings) -> None:
    await keep(api, settings, content=f"repeat('\u0308', {MEBIBYTE})")
    async with aiohttp.ClientSession() as session:
        for path in LISTS[1:]:
            seen, following = 0, path
            while following:
                body, link = await read(api, session, following)
                assert len(body) <= PAGE_BYTES
                rows = msgspec.json.decode(body)
                seen += len(rows["success"] if isinstance(rows, dict) else rows)
                following = link.removeprefix("<").partition(">")[0]
            assert seen == LARGEST, path


async def test_what_is_short_is_whole(api: Api) -> None:
    message = {"channel": "echo", "recipient": "log", "content": "x" * 4096}
    made = await operator(api).post("/api/v1/messages", message)
    [listed] = (await operator(api).get("/api/v1/messages")).body["messages"]
    assert (listed["content"], listed["content_truncated"]) == (made.body["content"], False)


async def test_recipients_with_padding_are_not_kept(api: Api) -> None:
    validation._known.cache_clear()
    for number in range(20):
        padded = " " * (1000 + number) + "+905551111111"
        answer = await operator(api).post("/api/v1/messages", {**MESSAGE, "recipient": padded})
        assert answer.status == 201
        long = f"https://hook.example.com/{'x' * 1900}{number}"
        await operator(api).post("/api/v1/messages", {**MESSAGE, "channel": "webhook", "recipient": long})
    assert validation._known.cache_info().currsize == 0
