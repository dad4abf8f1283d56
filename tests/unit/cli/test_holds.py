"""`tidings holds` and `tidings holds release`."""

import json

import pytest

from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_api import Answer, Asked
from tidings.cli import NotDoneError
from tidings.cli.holds import release, show
from tidings.cli.options import Api

HOLD = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "channel": "sms",
    "endpoint": "sms\x1b[31m",
    "user_id": None,
    "reason": "gateway",
    "since": "2030-01-31T09:00:00.123Z",
    "last_error": "HTTP 200 OK: an HTML page",
}


def answer(asked: Asked) -> Answer:
    if asked.method == "GET":
        return (200, {"holds": [HOLD]})
    if asked.path != f"/api/v1/holds/{HOLD['id']}/release":
        return (404, {"detail": "there is no such hold"})
    return (200, {"hold": HOLD, "messages": 1200})


async def test_a_line_for_each(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    api = await serve(answer)
    await show(api=Api(url=api.url), as_json=False)
    assert api.asked[0].path == "/api/v1/holds"
    shown = capsys.readouterr().out
    for part in (HOLD["id"], "2030-01-31 09:00:00", "sms", "everybody", "gateway", "an HTML page"):
        assert str(part) in shown
    assert "\x1b" not in shown
    await show(api=Api(url=api.url), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"holds": [HOLD]}


async def test_release_says_what_goes_again(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    api = await serve(answer)
    await release(str(HOLD["id"]), api=Api(url=api.url), as_json=False)
    shown = capsys.readouterr().out
    assert "released sms sms" in shown
    assert "1,200 messages" in shown
    with pytest.raises(NotDoneError, match="other: there is no such hold"):
        await release("other", api=Api(url=api.url), as_json=False)
