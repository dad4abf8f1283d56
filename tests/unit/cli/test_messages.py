"""`send` and `list`, as the API and the person at the terminal see them."""

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_api import Answer, Asked
from tidings.cli import NotDoneError
from tidings.cli.client import ApiError
from tidings.cli.messages import send, show_one, show_page
from tidings.cli.options import Api, Draft, Filter

HI = Draft(channel="echo", recipient="me", content="hi")
MESSAGE = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "channel": "echo",
    "recipient": "me",
    "content": "[bold]two\nlines[/bold] \x1b[31mred",
    "status": "cancelled",
    "cancel_reason": "expired",
    "tries": 1,
    "max_tries": 5,
    "due_at": "2030-01-31T09:00:00.123Z",
}


def answer(asked: Asked) -> Answer:
    return (201, MESSAGE) if asked.method == "POST" else (200, {"messages": [MESSAGE], "next_cursor": None})


async def test_send_posts_what_was_given_and_says_the_id(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    api = await serve(answer)
    await send(HI, due_at=None, api=Api(url=api.url, api_key="key"), as_json=False)
    [asked] = api.asked
    assert (asked.method, asked.path) == ("POST", "/api/v1/messages")
    assert asked.body == {"channel": "echo", "recipient": "me", "content": "hi"}
    assert asked.headers["Authorization"] == "Bearer key"
    assert capsys.readouterr().out == f"accepted {MESSAGE['id']}, due {MESSAGE['due_at']}\n"


async def test_send_as_json_prints_the_answer(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    api = await serve(answer)
    await send(HI, due_at=None, api=Api(url=api.url), as_json=True)
    assert json.loads(capsys.readouterr().out) == MESSAGE
    assert "Authorization" not in api.asked[0].headers


async def test_list_shows_a_line_for_each_message(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    api = await serve(answer)
    await show_page(Filter(status="cancelled"), limit=20, cursor=None, api=Api(url=api.url), as_json=False)
    assert api.asked[0].query == {"status": "cancelled", "limit": "20"}
    _header, line = capsys.readouterr().out.splitlines()
    for part in (MESSAGE["id"], "2030-01-31 09:00:00", "cancelled (expired)", "1/5", "[bold]two lines[/bold]"):
        assert str(part) in line
    assert "\x1b" not in line


async def test_list_as_json_prints_the_answer(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    api = await serve(answer)
    await show_page(Filter(), limit=1, cursor=None, api=Api(url=api.url), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"messages": [MESSAGE], "next_cursor": None}


@pytest.mark.parametrize(
    ("status", "problem", "said"),
    [
        (422, {"detail": "recipient must be a phone number"}, "refused (422): recipient must be a phone number"),
        (503, {"title": "Service Unavailable"}, "refused (503): Service Unavailable"),
        (500, "not a problem document", "refused (500): it gave no reason"),
        (401, {"detail": "no token"}, "--api-key"),
    ],
)
async def test_a_refusal_is_one_line(serve: Serve, status: int, problem: object, said: str) -> None:
    api = await serve(lambda _: (status, problem))
    with pytest.raises(ApiError) as refused:
        await send(HI, due_at=None, api=Api(url=api.url), as_json=False)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.status == status


async def test_a_mail_with_files(serve: Serve, tmp_path: Path) -> None:
    api = await serve(answer)
    page, report = tmp_path / "page.html", tmp_path / "report.pdf"
    page.write_text("<p>Grüße", "utf-8")
    report.write_bytes(b"%PDF\xff")
    draft = Draft(
        channel="email",
        recipient="Ida <ida@example.com>",
        content="",
        html=page,
        attach=[report],
        cc=["a@example.com"],
        reply_to="b@example.com",
        sender="The Shop <shop@example.com>",
        unsubscribe=True,
    )
    await send(draft, due_at=None, api=Api(url=api.url), as_json=True)
    assert api.asked[0].body == {
        "channel": "email",
        "recipient": "Ida <ida@example.com>",
        "html": "<p>Grüße",
        "attachments": [{"filename": "report.pdf", "content": b64encode(b"%PDF\xff").decode()}],
        "cc": ["a@example.com"],
        "reply_to": "b@example.com",
        "unsubscribe": True,
        "from": "The Shop <shop@example.com>",
    }
    missing = replace(draft, attach=[tmp_path / "missing"])
    with pytest.raises(NotDoneError, match="a file cannot be read"):
        await send(missing, due_at=None, api=Api(url=api.url), as_json=True)
    assert len(api.asked) == 1


async def test_a_mail_is_shown_with_what_belongs_to_it(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    mail = {
        "html": "<p>Hi",
        "from": {"email": "shop@example.com", "name": "The Shop"},
        "recipient_name": "",
        "cc": [{"email": "a@example.com"}],
        "bcc": [],
        "reply_to": [],
        "attachments": [{"filename": "a.pdf", "content_type": "application/pdf", "content_id": None, "size": 12345}],
        "remaining": ["a@example.com"],
    }

    def tell(asked: Asked) -> Answer:
        return 200, {"attempts": []} if asked.path.endswith("/attempts") else {**MESSAGE, "mail": mail}

    api = await serve(tell)
    await show_one(str(MESSAGE["id"]), api=Api(url=api.url), as_json=False)
    shown = capsys.readouterr().out
    for part in ("The Shop <shop@example.com>", "5 letters", "a.pdf (12,345 bytes)", "not yet to"):
        assert part in shown
