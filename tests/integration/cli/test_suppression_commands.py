"""`tidings suppressions` against a real API."""

import csv
from pathlib import Path

import msgspec
import pytest

from sql.store import Store
from tests.integration.api.client import Api
from tests.integration.cli.conftest import Tidings
from tidings.domain.ids import new_id
from tidings.domain.suppression import SuppressionReason
from tidings.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With an account that mail may go by."""
    return msgspec.structs.replace(settings, smtp_url="smtp://mail%40example.com:secret@mail.example.com")


async def test_added_shown_and_lifted(tidings: Tidings, api: Api) -> None:
    added = await tidings("suppressions", "add", "Ida@example.com", "grace@example.com", "--detail", "by telephone")
    assert (added.code, added.out.splitlines()) == (
        0,
        ["ida@example.com takes no more mail (manual)", "grace@example.com takes no more mail (manual)"],
    )
    shown = await tidings("suppressions", "--address", "ida@example.com", "--json")
    [kept] = shown.json["suppressions"]
    assert (kept["address"], kept["detail"]) == ("ida@example.com", "by telephone")
    table = (await tidings("suppressions")).out
    assert kept["id"] in table
    assert "by telephone" in table
    refused = await tidings("send", "ida@example.com", "Hello", "--channel", "email")
    assert (refused.code, "takes no more mail of yours" in refused.err) == (2, True)
    assert (await tidings("suppressions", "lift", "IDA@example.com")).out == "ida@example.com takes mail again\n"
    gone = await tidings("suppressions", "lift", kept["id"])
    assert (gone.code, gone.err) == (1, f"tidings: {kept['id']}: there is no such suppression\n")
    assert (await tidings("suppressions", "lift", "ida@example.com")).code == 1
    assert (await api.get("/api/v1/suppressions")).body["suppressions"][0]["address"] == "grace@example.com"


async def test_what_is_no_address(tidings: Tidings) -> None:
    ran = await tidings("suppressions", "add", "ida")
    assert (ran.code, ran.err.startswith("tidings: ida: address is not an e-mail address")) == (1, True)
    assert (await tidings("suppressions", "--reason", "dislike")).code == 2


async def test_an_address_on_several_lists_needs_an_id(tidings: Tidings, store: Store) -> None:
    for _ in range(2):
        await store.suppressions.put(new_id(), {"ida@example.com": None}, SuppressionReason.BOUNCE)
    ran = await tidings("suppressions", "lift", "ida@example.com")
    assert (ran.code, "2 users have it" in ran.err) == (1, True)


async def test_all_are_exported(tidings: Tidings, store: Store, tmp_path: Path) -> None:
    addresses = [f"{number}@example.com" for number in range(1001)]
    await store.suppressions.put(None, dict.fromkeys(addresses, "=1+1"), SuppressionReason.BOUNCE)
    path = tmp_path / "list.csv"
    exported = await tidings("suppressions", "export", str(path))
    assert (exported.code, exported.err) == (0, "1,001 exported\n")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["address"] for row in rows) == sorted(addresses)
    assert rows[0]["reason"] == "bounce"
    lines = (await tidings("suppressions", "export", "--reason", "complaint")).out
    assert lines == ""
