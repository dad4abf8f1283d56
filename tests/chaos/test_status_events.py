"""Consumer, producer and API are killed between an outcome, its event and the fan-out of that."""

from collections import Counter, defaultdict

import asyncpg
import msgspec
import pytest

from tests.chaos.round import Round, row
from tests.chaos.test_producer import kill_and_start, until
from tests.eventually import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

LEFT = "SELECT EXISTS (SELECT FROM status_changes)"
EVENTS = "SELECT sequence, payload FROM events WHERE of_system ORDER BY sequence"
COMMITTED = "SELECT id, status::text, tries, cancel_reason::text FROM messages"


@row("18", "SIGKILL consumer, producer and API between outcome, event and fan-out", recovered_within=15, short=True)
async def test_no_status_event_is_lost_or_made_up(chaos: Round) -> None:
    await chaos.start()
    connection = await asyncpg.connect(chaos.settings.postgres_uri)
    try:
        await connection.execute("INSERT INTO event_readers (owner) VALUES ('00000000-0000-0000-0000-000000000000')")
        async with chaos.under_load() as fault:
            await until(chaos, LEFT)
            await kill_and_start(chaos)
            fault.may_repeat = await chaos.kill("c1")
            await chaos.api.kill()
            await chaos.start_api()
            await until(chaos, LEFT)
            await kill_and_start(chaos)
            fault.over()

        async def through() -> bool:
            return not await connection.fetchval(LEFT)

        await eventually(through, within=30, every=0.1)
        events = [(row["sequence"], msgspec.json.decode(row["payload"])) for row in await connection.fetch(EVENTS)]
        committed = {str(row["id"]): row for row in await connection.fetch(COMMITTED)}
    finally:
        await connection.close()
    told: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for sequence, event in events:
        assert event["sequence"] == sequence
        told[event["data"]["message_id"]].append((event["type"], event["data"]["tries"]))
    assert told.keys() == committed.keys()
    assert len(committed) > 100
    for message_id, changes in told.items():
        message = committed[message_id]
        ends = Counter(kind for kind, _ in changes if kind in {"message.sent", "message.cancelled"})
        # One end, the one that was committed, and nothing after it; each attempt that failed before it once.
        assert ends == {f"message.{message['status']}": 1}
        assert changes[-1] == (f"message.{message['status']}", message["tries"])
        failed = [tries for kind, tries in changes if kind == "message.failed"]
        assert failed == sorted(set(failed))
