"""Many single messages share few inserts, and each is kept once."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from sql.messages import MessageStore
from tests.integration.api.client import Api
from tidings.domain.message import NewMessage


@pytest.fixture
def inserts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each insert had."""
    sizes: list[int] = []
    insert = MessageStore.insert

    async def counted(store: MessageStore, messages: Sequence[NewMessage], *keys: Any) -> set[UUID]:
        sizes.append(len(messages))
        return await insert(store, messages, *keys)

    monkeypatch.setattr(MessageStore, "insert", counted)
    return sizes


async def test_500_at_once_share_few_inserts(inserts: list[int], api: Api) -> None:
    posted = await asyncio.gather(*(api.accept(content=str(number)) for number in range(500)))
    kept = {message["id"]: message for message in await api.all_messages()}
    assert kept == {message["id"]: message for message in posted}
    assert {message["content"] for message in kept.values()} == {str(number) for number in range(500)}
    assert sum(inserts) == 500
    assert len(inserts) <= 100


async def test_2000_by_50_clients_are_each_kept_once(inserts: list[int], api: Api) -> None:
    numbers = iter(range(2000))

    async def client() -> None:
        for number in numbers:
            message = await api.accept(content=str(number))
            # Who was told yes finds it at once.
            if number % 100 == 0:
                assert (await api.get(f"/api/v1/messages/{message['id']}")).status == 200

    await asyncio.gather(*(client() for _ in range(50)))
    contents = [message["content"] for message in await api.all_messages()]
    assert sorted(contents, key=int) == [str(number) for number in range(2000)]
    assert len(inserts) <= 1000


async def test_one_client_alone_does_not_wait_for_company(inserts: list[int], api: Api) -> None:
    for _ in range(3):
        await api.accept()
    assert inserts == [1, 1, 1]
