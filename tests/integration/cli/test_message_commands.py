"""send, schedule, list, show, cancel and retry against a real API."""

from datetime import UTC, datetime, timedelta

import pytest

from sql.store import Store
from tests.integration.api.client import Api
from tests.integration.cli.conftest import Tidings
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now

NOBODY = str(new_id())


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


async def test_send_and_show(tidings: Tidings, api: Api) -> None:
    sent = await tidings("send", "--channel", "echo", "--priority", "high", "you", "[bold]two\nlines\x1b[31m")
    assert (sent.code, sent.err) == (0, "")
    [message] = await api.all_messages()
    assert sent.out == f"accepted {message['id']}, due {message['due_at']}\n"
    shown = await tidings("show", message["id"])
    assert (shown.code, shown.err) == (0, "")
    for part in (message["id"], "[bold]two", "lines[31m", "high", "pending", "no attempts yet"):
        assert part in shown.out
    assert "\x1b" not in shown.out
    assert (await tidings("show", message["id"], "--json")).json == {**message, "attempts": []}


async def test_the_same_idempotency_key_sends_once(tidings: Tidings, api: Api) -> None:
    for _ in range(2):
        assert (await tidings("send", "--channel", "echo", "--idempotency-key", "k1", "you", "hi")).code == 0
    assert len(await api.all_messages()) == 1


@pytest.mark.parametrize(
    ("when", "seconds"),
    [(("--in", "2h30m"), 9000), (("--at", "2030-01-31T09:00:00Z"), None), (("--at", "1w"), 604_800)],
)
async def test_schedule(tidings: Tidings, api: Api, when: tuple[str, str], seconds: float | None) -> None:
    before = utc_now()
    assert (await tidings("schedule", "--channel", "echo", "--expires-at", "2032-06-01", *when, "you", "hi")).code == 0
    after = utc_now()
    [message] = await api.all_messages()
    if seconds is None:
        assert at(message["due_at"]) == datetime(2030, 1, 31, 9, tzinfo=UTC)
    else:
        # The API keeps milliseconds or better.
        margin = timedelta(milliseconds=1)
        assert before - margin <= at(message["due_at"]) - timedelta(seconds=seconds) <= after + margin
    assert message["expires_at"] is not None


async def test_a_schedule_that_is_none(tidings: Tidings, api: Api) -> None:
    for options, said in {
        (): "one of --at",
        ("--in", "1h", "--at", "9:00"): "not both",
        ("--in", "soon"): "'soon' is no",
        ("--at", "2020-01-01"): "is past",
    }.items():
        ran = await tidings("schedule", "--channel", "echo", *options, "you", "hi")
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert said in ran.err
    assert await api.all_messages() == []


async def test_list_filters_and_pages(tidings: Tidings, api: Api) -> None:
    for number in range(5):
        await api.accept(channel="echo", recipient=f"r{number}", content="x")
    await api.accept()
    page = (await tidings("list", "--channel", "echo", "--limit", "3", "--json")).json
    assert [message["recipient"] for message in page["messages"]] == ["r4", "r3", "r2"]
    rest = (await tidings("list", "--channel", "echo", "--json", "--cursor", page["next_cursor"])).json
    assert [message["recipient"] for message in rest["messages"]] == ["r1", "r0"]
    assert (await tidings("list", "--recipient", "r3")).out.count("echo") == 1
    assert (await tidings("list", "--until", "1h", "--json")).json["messages"] == []
    assert len((await tidings("list", "--since", "1h", "--json")).json["messages"]) == 6
    assert (await tidings("list", "--status", "gone")).code == 2


async def test_a_message_that_is_not_there_is_exit_code_1(tidings: Tidings) -> None:
    for command in ("show", "cancel", "retry", "explain"):
        for message_id in (NOBODY, "nonsense", "../queues", "a b"):
            ran = await tidings(command, message_id)
            assert (ran.code, ran.out) == (1, ""), ran
            assert ran.err.startswith(f"tidings: {message_id}: there is no such message\n")


async def test_cancel_and_retry_by_id(tidings: Tidings, api: Api, store: Store) -> None:
    tomorrow = (utc_now() + timedelta(days=1)).isoformat()
    first, second = [(await api.accept(due_at=tomorrow))["id"] for _ in range(2)]
    ran = await tidings("cancel", first, NOBODY, second)
    assert (ran.code, ran.out.splitlines()) == (1, [f"cancelled {first}", f"cancelled {second}"])
    assert ran.err.splitlines() == [
        f"tidings: {NOBODY}: there is no such message",
        "tidings: 1 of 3 messages were not cancelled",
    ]
    again = await tidings("retry", "--json", first)
    assert (again.code, again.err) == (0, "")
    assert [message["status"] for message in again.json["retried"]] == ["pending"]
    refused = await tidings("retry", "--json", first)
    assert refused.code == 1
    assert refused.json == {"retried": [], "refused": [{"id": first, "detail": "it waits for its first attempt"}]}


async def test_it_must_be_clear_which_messages_are_meant(tidings: Tidings, api: Api) -> None:
    await api.accept()
    for command in ("cancel", "retry"):
        for arguments in ((), (NOBODY, "--all"), (NOBODY, "--queue", "default"), ("--all", "--queue", "default")):
            ran = await tidings(command, "--yes", *arguments)
            assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert {message["status"] for message in await api.all_messages()} == {"pending"}


async def test_cancel_and_retry_by_filter(tidings: Tidings, api: Api) -> None:
    tomorrow = (utc_now() + timedelta(days=1)).isoformat()
    for channel, recipient in (("echo", "a"), ("echo", "b"), ("sms", "+12025550101")):
        await api.accept(channel=channel, recipient=recipient, due_at=tomorrow)
    asked = await tidings("cancel", "--channel", "echo")
    assert (asked.code, asked.err.count("not confirmed")) == (2, 1)
    cancelled = await tidings("cancel", "--channel", "echo", "--yes")
    assert (cancelled.code, cancelled.out, cancelled.err) == (0, "cancelled 2 messages\n", "")
    assert (await tidings("cancel", "--all", "--yes", "--json")).json == {"cancelled": 1}
    assert {message["status"] for message in await api.all_messages()} == {"cancelled"}
    assert (await tidings("retry", "--reason", "expired", "--yes", "--json")).json == {"retried": 0}
    assert (await tidings("retry", "--recipient", "a", "--reason", "requested", "--yes", "--json")).json == {
        "retried": 1
    }
    assert (await tidings("retry", "--status", "sent", "--yes")).code == 2
    assert (await tidings("retry", "--all", "--yes")).out == "retried 2 messages\n"
    assert {message["status"] for message in await api.all_messages()} == {"pending"}


async def test_explain(tidings: Tidings, api: Api) -> None:
    message = await api.accept(due_at=(utc_now() + timedelta(days=1)).isoformat())
    answer = (await api.get(f"/api/v1/messages/{message['id']}/explain")).body
    assert (await tidings("explain", message["id"], "--json")).json == answer
    assert answer["reason"] == "not_due"
    explained = await tidings("explain", message["id"])
    assert explained.code == 0
    for part in (answer["summary"], "Next: ", "not_due", "queue active", "0"):
        assert part in explained.out
    await api.post(f"/api/v1/messages/{message['id']}/cancel")
    assert "Somebody cancelled it" in (await tidings("explain", message["id"])).out
