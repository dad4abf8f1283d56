"""client/tidings_client/client.py, async_client.py: what goes out, what goes out again, and what never does."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest

from tidings_client import (
    AsyncClient,
    Client,
    Error,
    InvalidError,
    NewMessage,
    NoAnswerError,
    NotFoundError,
    NotReachedError,
    OverQuotaError,
    RefusedError,
    StoppedError,
    UnauthorizedError,
    UnavailableError,
)
from tidings_client.errors import Fault
from tidings_client.testing import FakeTidings

RECIPIENT = "+905551111111"


def numbered(count: int) -> Iterator[NewMessage]:
    return ({"channel": "sms", "recipient": RECIPIENT, "content": str(number)} for number in range(count))


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(kind).items()
            if not name.startswith("_") and callable(method)
        }

    assert methods(Client) == methods(AsyncClient)


def test_what_is_asked_for_goes_out_as_the_api_has_it(fake_tidings: FakeTidings) -> None:
    due_at = datetime(2030, 1, 31, 9, tzinfo=UTC)
    message = fake_tidings.send(
        "email",
        "ida@example.com",
        "hello",
        from_="me@example.com",
        due_at=due_at,
        subject=None,
        attachments=[{"content": b"a"}],
    )
    assert (message.due_at, message.subject) == (due_at, None)
    assert message.mail is not None
    assert message.mail.from_ is not None
    assert message.mail.from_.email == "me@example.com"
    [request] = fake_tidings.requests
    assert b'"attachments":[{"content":"YQ=="}]' in request.content
    assert b"subject" not in request.content


def test_a_time_without_a_zone_and_a_number_that_is_none_are_refused_at_home(fake_tidings: FakeTidings) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        fake_tidings.send("sms", RECIPIENT, "x", due_at=datetime(2030, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="not JSON compliant"):
        fake_tidings.request("POST", "/api/v1/messages", body={"due_at": float("nan")})
    assert fake_tidings.requests == ()


@pytest.mark.parametrize("fault", ["requests", "answers", "unavailable", "over quota"])
def test_a_message_is_kept_once_whatever_is_lost(fake_tidings: FakeTidings, fault: str) -> None:
    match fault:
        case "requests":
            fake_tidings.lose_requests(times=2)
        case "answers":
            fake_tidings.lose_answers(times=2)
        case "unavailable":
            fake_tidings.refuse_requests(503, times=2)
        case _:
            fake_tidings.refuse_requests(429, times=2, retry_after=7)
    began = fake_tidings.clock.now
    message = fake_tidings.send("sms", RECIPIENT, "once")
    assert [each.id for each in fake_tidings.messages] == [message.id]
    assert len({request.headers["Idempotency-Key"] for request in fake_tidings.requests}) == 1
    assert len(fake_tidings.requests) == 3
    if fault == "over quota":
        assert fake_tidings.clock.now - began == timedelta(seconds=14)


@pytest.mark.parametrize(
    ("fault", "again"), [("requests", True), ("answers", False), ("unavailable", False), ("over quota", True)]
)
def test_what_may_not_be_done_twice_goes_again_only_where_it_was_not_done(
    fake_tidings: FakeTidings, fault: str, again: bool
) -> None:
    fake_tidings.fail_deliveries(for_good=True)
    message = fake_tidings.send("sms", RECIPIENT, "x")
    match fault:
        case "requests":
            fake_tidings.lose_requests()
        case "answers":
            fake_tidings.lose_answers()
        case "unavailable":
            fake_tidings.refuse_requests(503)
        case _:
            fake_tidings.refuse_requests(429)
    before = len(fake_tidings.requests)
    if again:
        assert fake_tidings.retry(message.id).tries == 0
    else:
        with pytest.raises((NoAnswerError, UnavailableError)):
            fake_tidings.retry(message.id)
    assert len(fake_tidings.requests) - before == (2 if again else 1)


def test_its_patience_ends(fake_tidings: FakeTidings) -> None:
    began = fake_tidings.clock.now
    fake_tidings.lose_requests(times=1000)
    with pytest.raises(NoAnswerError, match="lost the connection"):
        fake_tidings.queues()
    assert timedelta(seconds=25) < fake_tidings.clock.now - began <= timedelta(seconds=30)
    assert len(fake_tidings.requests) < 30


def test_it_does_not_wait_for_what_it_will_not_live_to_see(fake_tidings: FakeTidings) -> None:
    fake_tidings.refuse_requests(429, retry_after=3600)
    with pytest.raises(OverQuotaError) as refused:
        fake_tidings.send("sms", RECIPIENT, "x")
    assert refused.value.retry_after == 3600
    assert len(fake_tidings.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(400, InvalidError), (401, UnauthorizedError), (404, NotFoundError), (418, RefusedError)]
)
def test_a_refusal_is_raised_at_once(fake_tidings: FakeTidings, status: int, kind: type[RefusedError]) -> None:
    fake_tidings.refuse_requests(status, "for a reason")
    with pytest.raises(kind, match=rf"^the API refused \({status}\): for a reason$") as refused:
        fake_tidings.send("sms", RECIPIENT, "x")
    assert type(refused.value) is kind
    assert len(fake_tidings.requests) == 1


def test_each_fault_of_a_request_is_named(fake_tidings: FakeTidings) -> None:
    with pytest.raises(InvalidError) as refused:
        fake_tidings.send("sms", RECIPIENT)
    assert refused.value.faults == (Fault("is missing", "content"),)


def test_any_number_goes_in_batches_and_no_more_are_taken_than_can_go(fake_tidings: FakeTidings) -> None:
    taken = []

    def messages() -> Iterator[NewMessage]:
        for message in numbered(6250):
            taken.append(message)
            # What was taken and is not kept: a batch that is gathered, and those on their way.
            assert len(taken) - len(fake_tidings._house.messages) <= 500 * 6
            yield message

    ids: dict[int, UUID] = {}
    sent = fake_tidings.send_many(messages(), key="all", on_kept=ids.update)
    assert (sent.key, sent.accepted, sent.refused) == ("all", 6250, 0)
    assert [fake_tidings.get(ids[position]).content for position in (0, 499, 500, 6249)] == ["0", "499", "500", "6249"]
    keys = [request.headers.get("Idempotency-Key") for request in fake_tidings.requests]
    assert sorted(filter(None, keys)) == sorted(
        [f"all-{first}-500" for first in range(0, 6000, 500)] + ["all-6000-250"]
    )


async def test_so_it_is_with_asyncio_and_from_an_iterator_of_its_own(fake_tidings: FakeTidings) -> None:
    async def messages() -> AsyncIterator[NewMessage]:
        for message in numbered(1200):
            await asyncio.sleep(0)
            yield message

    assert (await fake_tidings.aio.send_many(messages())).accepted == 1200
    assert (await fake_tidings.aio.send_many(numbered(700))).accepted == 700
    assert len(fake_tidings.messages) == 1900


def test_many_bytes_make_a_batch_smaller(fake_tidings: FakeTidings) -> None:
    fake_tidings.send_many({"channel": "sms", "recipient": RECIPIENT, "content": "x" * 4000} for _ in range(500))
    assert [len(request.content) < 2**20 for request in fake_tidings.requests] == [True] * 3
    assert len(fake_tidings.messages) == 500


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_what_stopped_goes_on_under_the_same_key_and_nothing_twice(
    fake_tidings: FakeTidings, asynchronous: bool
) -> None:
    async def send() -> int:
        if asynchronous:
            return (await fake_tidings.aio.send_many(numbered(3000), key="k")).accepted
        return (await asyncio.to_thread(fake_tidings.send_many, numbered(3000), key="k")).accepted

    fake_tidings.lose_answers(times=1)
    fake_tidings.refuse_requests(403, "not now", times=2)
    with pytest.raises(StoppedError, match=r"not now; the same messages with key='k' go on there") as stopped:
        await send()
    assert stopped.value.position % 500 == 0
    assert stopped.value.accepted == stopped.value.position < 3000
    fake_tidings._api.faults.clear()
    assert await send() == 3000
    assert sorted(int(message.content) for message in fake_tidings.messages) == list(range(3000))


def test_a_message_that_is_refused_stops_it_or_is_left_out(fake_tidings: FakeTidings) -> None:
    def messages() -> list[NewMessage]:
        return [*numbered(600), {"channel": "sms", "recipient": "", "content": "nobody"}, *numbered(100)]

    with pytest.raises(StoppedError, match=r"^stopped after 500 messages: message 600: recipient is missing; "):
        fake_tidings.send_many(messages(), key="k")
    refused: list[tuple[int, str]] = []
    sent = fake_tidings.send_many(
        messages(), key="k", on_refused=lambda position, fault: refused.append((position, str(fault)))
    )
    assert (sent.accepted, sent.refused, refused) == (700, 1, [(600, "recipient is missing")])
    assert len(fake_tidings.messages) == 700


def test_all_that_are_refused_are_left_out(fake_tidings: FakeTidings) -> None:
    nobody: list[NewMessage] = [{"channel": "sms", "recipient": "", "content": "x"}] * 3
    positions: list[int] = []
    sent = fake_tidings.send_many(nobody, on_refused=lambda position, _: positions.append(position))
    assert (sent.accepted, sent.refused, positions) == (0, 3, [0, 1, 2])


def test_the_own_errors_of_the_messages_come_through(fake_tidings: FakeTidings) -> None:
    def messages() -> Iterator[NewMessage]:
        yield from numbered(501)
        raise LookupError("the source is gone")

    with pytest.raises(LookupError, match="the source is gone"):
        fake_tidings.send_many(messages())


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_it_waits_until_a_message_is_where_it_is_to_be(fake_tidings: FakeTidings, asynchronous: bool) -> None:
    due_at = fake_tidings.clock.now + timedelta(minutes=5)
    fake_tidings.fail_deliveries(times=2)
    message = fake_tidings.send("sms", RECIPIENT, "x", due_at=due_at)
    found = await fake_tidings.aio.wait(message.id) if asynchronous else fake_tidings.wait(message.id)
    assert (found.status, found.tries, found.sent_at) == ("sent", 3, due_at + timedelta(seconds=35))
    assert fake_tidings.clock.now - due_at < timedelta(seconds=40)


def test_a_wait_ends_where_it_can_only_end_otherwise_or_its_time_is_over(fake_tidings: FakeTidings) -> None:
    fake_tidings.fail_deliveries(for_good=True)
    refused = fake_tidings.send("sms", RECIPIENT, "x")
    assert fake_tidings.wait(refused.id).cancel_reason == "rejected"
    with pytest.raises(NotReachedError, match=r"is cancelled \(rejected\), and stays it"):
        fake_tidings.wait(refused.id, until="sent")
    later = fake_tidings.send("sms", RECIPIENT, "x", due_at=fake_tidings.clock.now + timedelta(hours=1))
    began = fake_tidings.clock.now
    with pytest.raises(NotReachedError, match="is still pending") as over:
        fake_tidings.wait(later.id, timeout=10)
    assert over.value.message.id == later.id
    assert abs((fake_tidings.clock.now - began).total_seconds() - 10) < 0.001


async def test_a_list_goes_through_all_pages(fake_tidings: FakeTidings) -> None:
    fake_tidings.send_many(numbered(25))
    newest_first = [str(number) for number in reversed(range(25))]
    assert [message.content for message in fake_tidings.list(page_size=10)] == newest_first
    assert [message.content async for message in fake_tidings.aio.list(page_size=10, status="sent")] == newest_first
    assert list(fake_tidings.list(recipient="+4915112345678")) == []


def test_all_of_a_filter_are_cancelled_request_by_request() -> None:
    answers = iter([{"count": 10_000, "more": True}, {"count": 7, "more": False}])
    asked: list[bytes] = []

    def serve(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.content)
        return httpx2.Response(200, json=next(answers))

    with Client("http://a.invalid", transport=httpx2.MockTransport(serve)) as client:
        assert client.cancel_all(queue="sale") == 10_007
    assert asked == [b'{"queue":"sale","limit":10000}'] * 2


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://a:b"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(Error, match="is not the address of an API"):
        Client(url)


def test_the_environment_says_where_and_who(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_URL", "tidings.example.com:8080/prefix")
    monkeypatch.setenv("TIDINGS_API_KEY", "tdg_secret")
    asked: list[httpx2.Request] = []

    def serve(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json={"queues": []})

    with Client(transport=httpx2.MockTransport(serve)) as client:
        assert client.queues() == ()
    assert str(asked[0].url) == "http://tidings.example.com:8080/prefix/api/v1/queues"
    assert asked[0].headers["Authorization"] == "Bearer tdg_secret"


def test_whatever_is_given_for_an_id_stays_one_part_of_the_path(fake_tidings: FakeTidings) -> None:
    for text in ("../queues", "a/b", "%2e%2e", "a?b#c"):
        with pytest.raises(NotFoundError):
            fake_tidings.get(text)
    assert [request.url.raw_path for request in fake_tidings.requests] == [
        b"/api/v1/messages/..%2Fqueues",
        b"/api/v1/messages/a%2Fb",
        b"/api/v1/messages/%252e%252e",
        b"/api/v1/messages/a%3Fb%23c",
    ]
