"""import and export against a real API: what goes out comes in again, and nothing twice."""

import asyncio
import csv
import json
import resource
import signal
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.integration.api.client import Api
from tests.integration.cli.conftest import Tidings
from tidings.cli.files import exporting

AWKWARD = 'a "quoted", comma\r\nand a line; ünïcode \u2028 =1+1'


async def fill(api: Api, count: int) -> None:
    messages = [
        {
            "channel": "webhook",
            "recipient": "https://example.com/hook",
            "content": f"{number} {AWKWARD}",
            "headers": {"X-A": "ä, b"} if number % 2 else None,
            "due_at": "2030-01-31T09:00:00Z",
        }
        for number in range(count)
    ]
    for start in range(0, count, 500):
        assert (await api.post("/api/v1/messages/batch", {"messages": messages[start : start + 500]})).status == 201


@pytest.mark.parametrize("name", ["m.csv", "m.ndjson"])
async def test_what_is_exported_can_be_imported(tidings: Tidings, api: Api, tmp_path: Path, name: str) -> None:
    await fill(api, 1001)
    before = await api.all_messages()
    path = tmp_path / name
    fields = "channel,recipient,content,headers,due_at"
    exported = await tidings("export", str(path), "--fields", fields)
    assert (exported.code, exported.out, exported.err) == (0, "", "1,001 exported\n")
    imported = await tidings("import", str(path), "--json")
    assert (imported.code, imported.json) == (0, {"accepted": 1001, "left_out": 0})
    new = (await api.all_messages())[:1001]
    chosen = fields.split(",")
    # The newest first goes out, so that the oldest is the last to come in.
    assert [[message[field] for field in chosen] for message in reversed(new)] == [
        [message[field] for field in chosen] for message in before
    ]


async def test_every_field_of_the_messages_that_pass_the_filter(tidings: Tidings, api: Api, tmp_path: Path) -> None:
    await fill(api, 3)
    message = await api.accept()
    assert message.pop("content_truncated") is False  # what is exported is whole
    lines = (await tidings("export", "--channel", "sms")).out.splitlines()
    given = {name: value for name, value in message.items() if value is not None}
    assert [json.loads(line) for line in lines] == [given]
    header, row = csv.reader((await tidings("export", "--channel", "sms", "--format", "csv")).out.splitlines())
    assert set(header) == set(message)
    assert dict(zip(header, row, strict=True))["id"] == message["id"]
    assert (await tidings("export", "--queue", "nowhere", "--format", "csv")).out.splitlines() == [",".join(header)]


async def test_an_export_that_cannot_be_written_is_one_line(tidings: Tidings, tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("precious")
    for arguments, said in {
        (str(tmp_path / "there.csv"),): "exists already",
        (str(tmp_path / "m.xlsx"),): "must end in",
        (str(tmp_path / "no" / "m.csv"),): "No such file",
        ("--fields", "content,password"): "password: unknown",
        ("--format", "xml"): "'xml'",
    }.items():
        ran = await tidings("export", *arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert said in ran.err
    assert (tmp_path / "there.csv").read_text() == "precious"


async def test_an_export_that_breaks_off_leaves_no_file_that_looks_whole(
    tidings: Tidings, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(api, 1001)
    monkeypatch.setattr(exporting, "PATIENCE_SECONDS", 0.0)
    path = tmp_path / "m.ndjson"
    # The disk is full after the first page.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        ran = await tidings("export", str(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ran.code == 2
    assert "m.ndjson" in ran.err
    assert not path.exists()
    assert (tmp_path / "m.ndjson.part").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
async def test_an_import_that_is_interrupted_goes_on_and_sends_everything_once(
    tidings: Tidings, api: Api, tmp_path: Path, number: int, code: int
) -> None:
    path, progress = tmp_path / "m.csv", tmp_path / "m.csv.progress"
    recipients = [f"r{number}" for number in range(8000)]
    path.write_text("channel,recipient,content\n" + "".join(f"echo,{recipient},x\n" for recipient in recipients))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import sys; from tidings.cli import main; sys.exit(main())", "import", str(path)),
        stderr=asyncio.subprocess.DEVNULL,
        # It hears Ctrl-C, whatever the tests were started by.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )

    async def under_way() -> bool:
        return progress.exists() and json.loads(progress.read_bytes())["accepted"] > 0

    await eventually(under_way, within=30, every=0.001)
    process.send_signal(number)
    assert await process.wait() == code
    assert json.loads(progress.read_bytes())["accepted"] < len(recipients)
    rest = await tidings("import", str(path), "--json")
    assert rest.json == {"accepted": len(recipients), "left_out": 0}
    assert "going on after line" in rest.err
    assert sorted(message["recipient"] for message in await api.all_messages()) == sorted(recipients)
    assert not progress.exists()
