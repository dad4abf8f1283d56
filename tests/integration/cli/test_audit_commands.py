"""`tidings audit` against a real API."""

import csv
from pathlib import Path

import msgspec

from sql.store import Store
from tests.integration.api.client import Api
from tests.integration.cli.conftest import Tidings
from tests.integration.sql.test_audit import new_entry
from tidings.domain.audit import Actor
from tidings.domain.ids import new_id


async def test_shown_and_filtered(tidings: Tidings, api: Api) -> None:
    await api.post("/api/v1/queues/default/stop")
    await api.post("/api/v1/queues/default/start")
    shown = (await tidings("audit")).out
    assert "queue.stop" in shown
    assert "operator" in shown
    [only] = (await tidings("audit", "--action", "queue.stop", "--since", "1h", "--json")).json["audit"]
    assert (only["subject"], only["address"]) == ("default", "127.0.0.1")
    assert (await tidings("audit", "--since", "1h", "--until", "30m", "--json")).json["audit"] == []
    assert (await tidings("audit", "--action", "burn")).code == 2
    assert (await tidings("audit", "--since", "soon")).code == 2


async def test_all_of_it_is_exported(tidings: Tidings, store: Store, tmp_path: Path) -> None:
    entries = [new_entry(actor=Actor.USER, user_id=new_id(), detail={"number": number}) for number in range(501)]
    for each in entries:
        await store.audit.put(each)
    path = tmp_path / "audit.csv"
    exported = await tidings("audit", "export", str(path))
    assert (exported.code, exported.err) == (0, "501 exported\n")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in reversed(rows)] == [str(each.id) for each in entries]
    assert msgspec.json.decode(rows[0]["detail"]) == {"number": 500}
    lines = (await tidings("audit", "export", "--user", str(entries[7].user_id))).out.splitlines()
    assert [msgspec.json.decode(line)["detail"]["number"] for line in lines] == [7]
