"""Importing: batches, lines that are left out, an API that goes away."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_api import Answer, Asked
from tidings.cli.client import ApiError
from tidings.cli.importing import import_messages


def accept(asked: Asked) -> Answer:
    count = len(asked.body["messages"])
    return 201, {"accepted": count, "ids": [str(number) for number in range(count)]}


def refuse_bad_ones(asked: Asked) -> Answer:
    errors = [
        {"index": index, "field": "recipient", "detail": "must be good"}
        for index, message in enumerate(asked.body["messages"])
        if message["recipient"] == "bad"
    ]
    return (422, {"detail": "no", "errors": errors}) if errors else accept(asked)


def write(path: Path, recipients: list[str], content: str = "x") -> Path:
    messages = ({"channel": "echo", "recipient": recipient, "content": content} for recipient in recipients)
    path.write_text("".join(json.dumps(message) + "\n" for message in messages))
    return path


async def test_a_file_goes_in_batches_of_500(serve: Serve, tmp_path: Path) -> None:
    api = await serve(accept)
    file = write(tmp_path / "m.ndjson", [str(number) for number in range(1201)])
    assert await import_messages(file, url=api.url, api_key="key") == 0
    assert [len(asked.body["messages"]) for asked in api.asked] == [500, 500, 201]
    assert {(asked.method, asked.path, asked.headers["Authorization"]) for asked in api.asked} == {
        ("POST", "/api/v1/messages/batch", "Bearer key")
    }
    sent = [message["recipient"] for asked in api.asked for message in asked.body["messages"]]
    assert sent == [str(number) for number in range(1201)]


async def test_a_batch_stays_under_the_limit_of_a_body(serve: Serve, tmp_path: Path) -> None:
    api = await serve(accept)
    file = write(tmp_path / "m.ndjson", ["me"] * 30, content="x" * 100_000)
    assert await import_messages(file, url=api.url, api_key="") == 0
    assert all(len(json.dumps(asked.body)) < 1024**2 for asked in api.asked)
    assert sum(len(asked.body["messages"]) for asked in api.asked) == 30


async def test_lines_that_the_api_refuses_are_named_and_the_others_go(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api = await serve(refuse_bad_ones)
    file = write(tmp_path / "m.ndjson", ["a", "bad", "b", "bad", "c"])
    assert await import_messages(file, url=api.url, api_key="") == 2
    assert capsys.readouterr().err.splitlines() == [
        "line 2: recipient must be good",
        "line 4: recipient must be good",
        "3 accepted; 2 left out",
    ]
    assert [message["recipient"] for message in api.asked[-1].body["messages"]] == ["a", "b", "c"]


async def test_lines_that_cannot_be_read_are_named_and_the_others_go(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api = await serve(accept)
    file = write(tmp_path / "m.ndjson", ["a"])
    file.write_text(file.read_text() + "oops\n")
    assert await import_messages(file, url=api.url, api_key="") == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("line 2: ")
    assert said[-1] == "1 accepted; 1 left out"


async def test_nothing_but_bad_lines_asks_for_nothing_twice(serve: Serve, tmp_path: Path) -> None:
    api = await serve(refuse_bad_ones)
    assert await import_messages(write(tmp_path / "m.ndjson", ["bad"] * 3), url=api.url, api_key="") == 2
    assert len(api.asked) == 1


async def test_only_so_many_bad_lines_are_printed(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api = await serve(refuse_bad_ones)
    assert await import_messages(write(tmp_path / "m.ndjson", ["bad"] * 120), url=api.url, api_key="") == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 52
    assert said[-2:] == ["… and 70 more", "0 accepted; 120 left out"]


async def test_an_api_that_fails_on_the_way_stops_it_and_says_where(serve: Serve, tmp_path: Path) -> None:
    api = await serve(lambda asked: accept(asked) if len(api.asked) == 1 else (503, {"detail": "the store is away"}))
    file = write(tmp_path / "m.ndjson", ["me"] * 700)
    with pytest.raises(ApiError, match=r"stopped after line 500, 500 accepted: .*the store is away"):
        await import_messages(file, url=api.url, api_key="")
