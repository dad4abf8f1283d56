"""The fifteen sample messages: posted once, watched until delivered."""

from datetime import datetime
from typing import Any

import phonenumbers
import pytest

from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_api import Answer, Asked
from tidings.cli.client import ApiClient, ApiError
from tidings.cli.up.samples import delivered, post_samples


class Shop:
    """An API that keeps messages by idempotency key and delivers each at its second look."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self._looks: dict[str, int] = {}

    def __call__(self, asked: Asked) -> Answer:
        if asked.method == "POST":
            key = asked.headers["Idempotency-Key"]
            if key in self.messages:
                return 422, {"detail": "the key was used for another request"}
            self.messages[key] = asked.body
            return 201, {"id": key}
        if asked.path == "/api/v1/messages":
            found = [m for m in self.messages.values() if m["recipient"] == asked.query["recipient"]]
            return 200, {"messages": found}
        key = asked.path.rpartition("/")[2]
        self._looks[key] = self._looks.get(key, 0) + 1
        return 200, {"status": "sent" if self._looks[key] > 1 else "pending"}


async def test_fifteen_are_posted_one_after_the_other_due_within_seconds(serve: Serve) -> None:
    shop = Shop()
    api = await serve(shop)
    async with ApiClient(api.url) as client:
        ids = await post_samples(client)
    assert ids == [f"demo-{number}" for number in range(1, 16)]
    due = [datetime.fromisoformat(message["due_at"]) for message in shop.messages.values()]
    assert due == sorted(due)
    assert (due[-1] - due[0]).total_seconds() < 30
    for message in shop.messages.values():
        assert phonenumbers.is_valid_number(phonenumbers.parse(message["recipient"]))


async def test_a_second_start_posts_nothing(serve: Serve) -> None:
    api = await serve(Shop())
    async with ApiClient(api.url) as client:
        await post_samples(client)
        before = len(api.asked)
        assert await post_samples(client) == []
    assert [asked.method for asked in api.asked[before:]] == ["GET"]


async def test_a_start_after_one_that_was_cut_short_posts_the_rest(serve: Serve) -> None:
    shop = Shop()
    api = await serve(shop)
    async with ApiClient(api.url) as client:
        await post_samples(client)
        for number in range(9, 16):
            del shop.messages[f"demo-{number}"]
        assert await post_samples(client) == [f"demo-{number}" for number in range(9, 16)]


async def test_another_refusal_is_not_swallowed(serve: Serve) -> None:
    api = await serve(lambda asked: (200, {"messages": []}) if asked.method == "GET" else (503, {"detail": "away"}))
    async with ApiClient(api.url) as client:
        with pytest.raises(ApiError, match="away"):
            await post_samples(client)


async def test_delivered_waits_for_every_one(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidings.cli.up.samples.POLL_SECONDS", 0)
    api = await serve(Shop())
    async with ApiClient(api.url) as client:
        await delivered(client, ["a", "b"])
    assert len(api.asked) == 4
