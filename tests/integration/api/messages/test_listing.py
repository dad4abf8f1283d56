"""`GET /api/v1/messages`"""

from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from sql.store import Store
from tests.factories import keep, new_message
from tests.integration.api.client import Api

PATH = "/api/v1/messages"


@pytest.mark.parametrize("limit", [7, 400, 500])
async def test_pages_have_no_gap_and_no_repeat(api: Api, store: Store, limit: int) -> None:
    ids = await keep(store, 1200)
    found = [message["id"] for message in await api.all_messages(limit=limit)]
    assert found == [str(message_id) for message_id in reversed(ids)]


async def test_messages_that_come_meanwhile_disturb_no_page(api: Api, store: Store) -> None:
    ids = await keep(store, 4)
    first = (await api.get(f"{PATH}?limit=2")).body
    await keep(store, 3)
    second = (await api.get(f"{PATH}?limit=2&cursor={first['next_cursor']}")).body
    listed = [message["id"] for message in first["messages"] + second["messages"]]
    assert listed == [str(message_id) for message_id in reversed(ids)]
    assert second["next_cursor"] is None


async def test_an_empty_list(api: Api) -> None:
    assert (await api.get(PATH)).body == {"messages": [], "next_cursor": None}


async def test_fifty_unless_asked_otherwise(api: Api, store: Store) -> None:
    await keep(store, 51)
    page = (await api.get(PATH)).body
    assert len(page["messages"]) == 50
    assert page["next_cursor"] is not None


async def test_each_filter(api: Api, store: Store) -> None:
    assert (await api.put("/api/v1/queues/night", {})).status == 201
    others = [new_message(), new_message(channel="webhook"), new_message(queue="night"), new_message(recipient="+49 1")]
    await store.messages.insert(others)
    await store.messages.cancel(others[0].id)
    for query, wanted in (
        ("status=cancelled", [0]),
        ("channel=webhook", [1]),
        ("queue=night", [2]),
        (f"recipient={quote('+49 1', safe='')}", [3]),
        ("status=pending&queue=default", [3, 1]),
        ("channel=nobody", []),
    ):
        listed = (await api.get(f"{PATH}?{query}")).body["messages"]
        assert [message["id"] for message in listed] == [str(others[index].id) for index in wanted], query


async def test_a_span_of_time_includes_its_beginning_and_not_its_end(api: Api) -> None:
    message = await api.accept()
    created_at = message["created_at"]
    after = (datetime.fromisoformat(created_at) + timedelta(milliseconds=1)).isoformat().replace("+00:00", "Z")
    for query, count in (
        (f"created_from={created_at}", 1),
        (f"created_from={after}", 0),
        (f"created_until={created_at}", 0),
        (f"created_until={after}", 1),
        (f"created_from={created_at}&created_until={after}", 1),
        ("created_from=0001-01-02T00:00:00Z", 1),
        ("created_until=1900-01-01T00:00:00Z", 0),
        ("created_until=9999-12-31T00:00:00Z", 1),
    ):
        assert len((await api.get(f"{PATH}?{query}")).body["messages"]) == count, query
