"""Importing: batches, lines that are left out, an API that goes away."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_api import Answer, Asked
from tidings.cli.client import ApiError
from tidings.cli.files.importing import import_messages
from tidings.cli.options import Api
from tidings.domain.errors import TidingsError


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
    assert await import_messages(file, api=Api(url=api.url, api_key="key")) == 0
    assert [len(asked.body["messages"]) for asked in api.asked] == [500, 500, 201]
    assert {(asked.method, asked.path, asked.headers["Authorization"]) for asked in api.asked} == {
        ("POST", "/api/v1/messages/batch", "Bearer key")
    }
    sent = [message["recipient"] for asked in api.asked for message in asked.body["messages"]]
    assert sent == [str(number) for number in range(1201)]


async def test_a_batch_stays_under_the_limit_of_a_body(serve: Serve, tmp_path: Path) -> None:
    api = await serve(accept)
    file = write(tmp_path / "m.ndjson", ["me"] * 30, content="x" * 100_000)
    assert await import_messages(file, api=Api(url=api.url)) == 0
    assert all(len(json.dumps(asked.body)) < 1024**2 for asked in api.asked)
    assert sum(len(asked.body["messages"]) for asked in api.asked) == 30


async def test_lines_that_the_api_refuses_are_named_and_the_others_go(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api = await serve(refuse_bad_ones)
    file = write(tmp_path / "m.ndjson", ["a", "bad", "b", "bad", "c"])
    assert await import_messages(file, api=Api(url=api.url)) == 1
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
    assert await import_messages(file, api=Api(url=api.url)) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("line 2: ")
    assert said[-1] == "1 accepted; 1 left out"


async def test_nothing_but_bad_lines_asks_for_nothing_twice(serve: Serve, tmp_path: Path) -> None:
    api = await serve(refuse_bad_ones)
    assert await import_messages(write(tmp_path / "m.ndjson", ["bad"] * 3), api=Api(url=api.url)) == 1
    assert len(api.asked) == 1


async def test_only_so_many_bad_lines_are_printed(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api = await serve(refuse_bad_ones)
    assert await import_messages(write(tmp_path / "m.ndjson", ["bad"] * 120), api=Api(url=api.url)) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 52
    assert said[-2:] == ["… and 70 more", "0 accepted; 120 left out"]


async def test_an_api_that_refuses_it_all_stops_it_and_says_where(serve: Serve, tmp_path: Path) -> None:
    api = await serve(lambda asked: accept(asked) if len(api.asked) == 1 else (403, {"detail": "not you"}))
    file = write(tmp_path / "m.ndjson", ["me"] * 700)
    with pytest.raises(ApiError, match=r"stopped after line 500, 500 accepted; .*not you"):
        await import_messages(file, api=Api(url=api.url))


class Keeping:
    """An API that keeps a batch once for each idempotency key, and may break off before or after it does."""

    def __init__(self, *, breaks_at: int, kept_first: bool) -> None:
        self.batches: dict[str, list[dict[str, str]]] = {}
        self._requests = 0
        self._breaks_at = breaks_at
        self._kept_first = kept_first

    @property
    def recipients(self) -> list[str]:
        return [message["recipient"] for batch in self.batches.values() for message in batch]

    def __call__(self, asked: Asked) -> Answer:
        self._requests += 1
        broken = self._requests == self._breaks_at
        if broken and not self._kept_first:
            return 500, {"detail": "broken"}
        status, answer = refuse_bad_ones(asked)
        if status == 201:
            key = asked.headers["Idempotency-Key"]
            assert self.batches.setdefault(key, asked.body["messages"]) == asked.body["messages"]
        return (500, {"detail": "broken"}) if broken else (status, answer)


@pytest.mark.parametrize("breaks_at", [1, 2, 3, 4])
@pytest.mark.parametrize("kept_first", [False, True])
async def test_the_same_command_goes_on_where_it_was_interrupted(
    serve: Serve, tmp_path: Path, breaks_at: int, kept_first: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    keeping = Keeping(breaks_at=breaks_at, kept_first=kept_first)
    api = await serve(keeping)
    # Three batches, the second of them with a line that is refused, so sent twice.
    recipients = [str(number) for number in range(1200)]
    recipients[600] = "bad"
    file = write(tmp_path / "m.ndjson", recipients)
    with pytest.raises(ApiError, match="broken"):
        await import_messages(file, api=Api(url=api.url))
    assert await import_messages(file, api=Api(url=api.url)) == 1
    assert keeping.recipients == [recipient for recipient in recipients if recipient != "bad"]
    assert capsys.readouterr().err.splitlines()[-1] == "1,199 accepted; 1 left out"
    assert not file.with_name("m.ndjson.progress").exists()


async def test_lines_refused_before_an_interruption_stay_left_out(serve: Serve, tmp_path: Path) -> None:
    keeping = Keeping(breaks_at=2, kept_first=True)
    api = await serve(keeping)
    file = write(tmp_path / "m.ndjson", ["a", "bad", "c"])
    with pytest.raises(ApiError):
        await import_messages(file, api=Api(url=api.url))
    # By now the API would refuse another one; but the batch was kept with it.
    api = await serve(lambda asked: keeping(asked) if len(asked.body["messages"]) == 2 else (422, {"errors": []}))
    progress = tmp_path / "m.ndjson.progress"
    progress.write_text(progress.read_text().replace(json.loads(progress.read_text())["url"], api.url))
    assert await import_messages(file, api=Api(url=api.url)) == 1
    assert keeping.recipients == ["a", "c"]


async def test_what_comes_after_may_be_mended_meanwhile(serve: Serve, tmp_path: Path) -> None:
    keeping = Keeping(breaks_at=2, kept_first=False)
    api = await serve(keeping)
    file = write(tmp_path / "m.ndjson", ["a"] * 500 + ["oh no"])
    with pytest.raises(ApiError):
        await import_messages(file, api=Api(url=api.url))
    write(file, ["a"] * 500 + ["b", "c"])
    assert await import_messages(file, api=Api(url=api.url)) == 0
    assert keeping.recipients == ["a"] * 500 + ["b", "c"]


async def test_a_file_that_is_another_one_is_refused_until_told_to_start_again(serve: Serve, tmp_path: Path) -> None:
    keeping = Keeping(breaks_at=2, kept_first=False)
    api = await serve(keeping)
    file = write(tmp_path / "m.ndjson", ["a"] * 501)
    with pytest.raises(ApiError):
        await import_messages(file, api=Api(url=api.url))
    write(file, ["b"] * 501)
    with pytest.raises(TidingsError, match="has changed before line 501"):
        await import_messages(file, api=Api(url=api.url))
    other = await serve(accept)
    with pytest.raises(TidingsError, match="was begun at"):
        await import_messages(file, api=Api(url=other.url))
    assert await import_messages(file, api=Api(url=api.url), from_start=True) == 0
    assert keeping.recipients == ["a"] * 500 + ["b"] * 501


async def test_an_api_that_is_away_is_waited_for(serve: Serve, tmp_path: Path) -> None:
    api = await serve(lambda asked: accept(asked) if len(api.asked) > 2 else (503, {"detail": "away"}))
    file = write(tmp_path / "m.ndjson", ["me"])
    assert await import_messages(file, api=Api(url=api.url)) == 0
    assert len({asked.headers["Idempotency-Key"] for asked in api.asked}) == 1


async def test_a_progress_that_cannot_be_kept_stops_it_before_anything_is_sent(serve: Serve, tmp_path: Path) -> None:
    api = await serve(accept)
    file = write(tmp_path / "m.ndjson", ["me"])
    (tmp_path / "m.ndjson.progress").mkdir()
    with pytest.raises(TidingsError, match=r"m\.ndjson\.progress"):
        await import_messages(file, api=Api(url=api.url))
    assert api.asked == []


async def test_the_report_as_json(serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api = await serve(refuse_bad_ones)
    await import_messages(write(tmp_path / "m.ndjson", ["a", "bad"]), api=Api(url=api.url), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"accepted": 1, "left_out": 1}
