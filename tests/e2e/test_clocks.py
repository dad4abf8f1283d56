"""Processes on machines whose clocks are wrong: what is due, expired, sent and signed goes by Postgres's."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.chaos.clocks import faketime, settable
from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings

PHONE = "+4915112345678"
ADA = {"email": "ada@example.com", "password": "correct horse battery staple"}
SECRET = {"SECRET_KEY": "k" * 32}
NEAR = timedelta(seconds=1)
"""How exactly the test itself looks at a clock."""


async def log_in(system: System) -> str:
    return str((await system.call("POST", "/api/v1/tokens", ADA, expect=201))["token"])


async def accepts(system: System, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    async with system.http.get(f"{system.url}/api/v1/me", headers=headers) as response:
        return response.status == 200


async def clock_ahead(system: System) -> float:
    async with system.http.get(f"{system.url}/metrics") as response:
        [line] = [line for line in (await response.text()).splitlines() if line.startswith("tidings_clock_ahead")]
        return float(line.split()[-1])


def time_in(message_id: str) -> datetime:
    return datetime.fromtimestamp((UUID(message_id).int >> 80) / 1000, utc_now().tzinfo)


@pytest.mark.parametrize("offsets", [(120, -3600, -120), (-3600, 120, 3600)])
async def test_a_whole_tidings_by_wrong_clocks_delivers_as_by_right_ones(
    settings: Settings, gateway: CountingGateway, tmp_path: Path, offsets: tuple[int, int, int]
) -> None:
    of_api, of_producer, of_consumer = offsets
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
    right = System(settings, tmp_path / "right", **SECRET)
    other = System(settings, tmp_path / "wrong", WEBHOOK_URL=gateway.url, **SECRET, **faketime(f"{of_api:+}"))
    async with right, other:
        await asyncio.gather(
            right.start_api(),
            other.start_api(),
            other.start_producer(**faketime(f"{of_producer:+}")),
            other.start_consumer(**faketime(f"{of_consumer:+}")),
        )
        began = utc_now()
        soon = began + timedelta(seconds=1.5)
        expiring = {"expires_at": (began + timedelta(seconds=60)).isoformat()}
        now = await other.post(channel="sms", recipient=PHONE, content="now", **expiring)
        later = await other.post(channel="sms", recipient=PHONE, content="later", due_at=soon.isoformat(), **expiring)
        for message_id, due in ((now, began), (later, soon)):
            message = await right.until_status(message_id, "sent", within=10)
            times = {name: datetime.fromisoformat(str(message[name])) for name in ("created_at", "sent_at")}
            assert began - NEAR <= times["created_at"] <= utc_now() + NEAR
            assert due - timedelta(milliseconds=50) <= times["sent_at"] <= utc_now() + NEAR
            assert abs(time_in(message_id) - times["created_at"]) < NEAR
            history = (await right.call("GET", f"/api/v1/messages/{message_id}/attempts"))["attempts"]
            assert isinstance(history, list)
            assert abs(datetime.fromisoformat(history[0]["started_at"]) - times["sent_at"]) < NEAR
        assert gateway.received == {"now": 1, "later": 1}
        assert abs(await clock_ahead(other) - of_api) < 1
        assert abs(await clock_ahead(right)) < 1
        await right.call("POST", "/api/v1/users", ADA, expect=201)
        for issuer, reader in ((right, other), (other, right)):
            assert await accepts(reader, await log_in(issuer))
        assert "this machine's clock differs from Postgres's" in other.processes("consumers")[0].log()


async def test_an_api_whose_clock_is_set_while_it_runs_does_not_notice(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("+0")
    async with System(settings, tmp_path, **SECRET, **settable(file)) as system:
        await system.start_api()
        ids = []
        for offset in ("+0", "-3600", "+3600"):
            file.write_text(offset)
            ids.append(await system.post(channel="sms", recipient=PHONE, content=offset))
            assert abs(await clock_ahead(system) - float(offset)) < 1
            assert abs(time_in(ids[-1]) - utc_now()) < NEAR
        assert sorted(ids) == ids
        await system.call("POST", "/api/v1/users", ADA, expect=201)
        token = await log_in(system)
        for offset in ("+0", "-3600"):
            file.write_text(offset)
            assert await accepts(system, token)
            assert await accepts(system, await log_in(system))
