"""An API that is killed between a report and its commit: its provider gets no answer, and sends it again."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from sql.store import Store
from tests.e2e.system import System
from tests.eventually import eventually
from tests.factories import keep, sent_by
from tidings.channels.sms.configured import configured_gateways
from tidings.domain.states import Receipt
from tidings.settings import Settings

TOKEN = "zTUGYnmEZ1vqh0hWz3nNpFhCCwvSQmXk"
GATEWAYS = f"""
[[gateway]]
name = "demo"
preset = "plain"
base_url = "http://127.0.0.1:9/"
credentials = {{ receipt_token = "{TOKEN}" }}
"""
REPORT = {"id": "X1", "status": "delivered"}


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = await Store.connect(settings.postgres_uri, process="test", lease_seconds=settings.lease_seconds)
    yield store
    await store.close()


@pytest.mark.parametrize("known", [True, False], ids=["of a message that is there", "that comes first"])
async def test_sigkill_between_report_and_commit(known: bool, settings: Settings, store: Store, tmp_path: Path) -> None:
    [message_id] = await keep(store, channel="sms")
    if known:
        await sent_by(store, message_id, "demo", "X1")
    async with System(settings, tmp_path, SMS_GATEWAYS=GATEWAYS) as system:
        api = await system.start_api()
        [configured] = configured_gateways(GATEWAYS)
        gateway = str(configured.id)
        blocker = await asyncpg.connect(settings.postgres_uri)
        try:
            await blocker.execute("BEGIN")
            # Whoever writes either of them waits.
            await blocker.execute("LOCK TABLE messages, early_receipts IN EXCLUSIVE MODE")
            posted = asyncio.create_task(_post(system, gateway))
            await eventually(lambda: _waits(store), within=20)
            await api.kill()
            [answer] = await asyncio.gather(posted, return_exceptions=True)
        finally:
            await blocker.close()
        # Or it has told the provider to try again, on a slow machine.
        assert isinstance(answer, aiohttp.ClientError) or answer == HTTPStatus.SERVICE_UNAVAILABLE
        await system.start_api()
        assert [await _post(system, gateway) for _ in range(2)] == [200, 200]
        if not known:
            await sent_by(store, message_id, "demo", "X1")
            assert (await store.receipts.join(limit=10)).changed == 1
        message = await store.messages.get(message_id)
        assert message is not None
        assert message.receipt is Receipt.DELIVERED
        assert (await store.receipts.join(limit=10)).looked_at == 0


async def _waits(store: Store) -> bool:
    async with store.database.pool.acquire() as connection:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        )


async def _post(system: System, gateway: str) -> int:
    async with system.http.post(f"{system.url}/receipts/{gateway}/{TOKEN}", json=REPORT) as answer:
        return answer.status
