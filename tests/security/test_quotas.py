"""Quotas: what one account may have accepted, however it asks."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio
from argon2.profiles import CHEAPEST
from redis.asyncio import Redis
from structlog.testing import capture_logs

from api.accounts import services
from api.accounts.passwords import Passwords
from api.app import create_app
from api.http.principal import Principal
from api.http.resources import QUOTAS, STORE
from api.openapi.operation import Access, needs_of
from api.quotas.errors import OverQuotaError
from api.routes import ROUTES
from tests.eventually import eventually
from tests.integration.api.accounts.people import OPERATORS_KEY, Person, admin, join, log_in, operator
from tests.integration.api.client import MESSAGE, Answer, Api
from tidings.domain.account import Role
from tidings.settings import Settings

HOOK = {"channel": "webhook", "recipient": "https://example.com/hook", "content": "Hello"}
LATER = {**HOOK, "due_at": "2032-01-31T09:00:00Z"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings, api_key=OPERATORS_KEY, secret_key="signs tokens " * 4, logins_per_address=0, logins_per_email=0
    )


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "Passwords", partial(Passwords, CHEAPEST))


@pytest_asyncio.fixture
async def redis(redis_uri: str) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(redis_uri)
    yield client
    await client.aclose()


def limited(settings: Settings, **limits: int) -> Settings:
    """These limits, and no others."""
    none = {"quota_per_second": 0, "quota_per_day": 0, "quota_waiting": 0, "quota_waiting_bytes": 0}
    return msgspec.structs.replace(settings, **{**none, **{f"quota_{name}": limit for name, limit in limits.items()}})


async def stored(api: Api) -> int:
    return len(await as_operator(api).all_messages())


def as_operator(api: Api) -> Api:
    """The same, with the operator's key in every request."""
    api._session.headers["Authorization"] = f"Bearer {OPERATORS_KEY}"
    return api


async def flood(people: Sequence[Person], count: int, message: dict[str, Any] = LATER) -> list[Answer]:
    """So many posts at once, spread over these."""
    return await asyncio.gather(
        *(people[number % len(people)].post("/api/v1/messages", message) for number in range(count))
    )


def accepted(answers: Sequence[Answer]) -> int:
    assert {answer.status for answer in answers} <= {201, 429}
    return sum(answer.status == 201 for answer in answers)


async def test_a_new_account_cannot_fill_the_store(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, waiting=50))) as api:
        answers = await flood([await join(api)], 120)
        assert accepted(answers) == 50
        assert await stored(api) == 50
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.body["detail"] == "your quota is 50 messages that wait; try again in 1 second"
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["RateLimit-Policy"] == '"waiting";q=50'
        assert refused.headers["RateLimit"] == '"waiting";r=0'


async def test_bytes_that_wait_are_limited_whatever_they_are_in(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, waiting_bytes=200_000))) as api:
        ada = await join(api)
        assert accepted(await flood([ada], 12, {**LATER, "content": "x" * 20_000})) == 10
        bob = await join(api, "bob@example.com")
        headers = {f"X-{number}": token_hex(512) for number in range(20)}
        assert 7 <= accepted(await flood([bob], 12, {**LATER, "headers": headers})) <= 9
        too_large = await ada.post("/api/v1/messages", {**LATER, "content": "x" * 200_001})
        assert (too_large.status, too_large.body["detail"]) == (413, "your quota is 200000 bytes that wait")


async def test_a_burst_then_the_rate(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, per_second=5))) as api:
        ada = await join(api)
        answers = await flood([ada], 90)
        assert 50 <= accepted(answers) <= 60
        refused = next(answer for answer in answers if answer.status == 429)
        assert 1 <= int(refused.headers["Retry-After"]) <= 2
        assert refused.headers["RateLimit-Policy"] == '"rate";q=50;w=10'
        assert refused.headers["RateLimit"].startswith('"rate";r=')
        assert refused.body["detail"].startswith("your quota is 5 messages a second, 50 at once")
        # Somebody else is not concerned.
        assert accepted(await flood([await join(api, "bob@example.com")], 20)) == 20


OF_MESSAGES = {
    ("POST", "/api/v1/messages"),
    ("POST", "/api/v1/messages/batch"),
    ("POST", "/api/v1/messages/retry"),
    ("POST", "/api/v1/messages/{id}/retry"),
    ("POST", "/api/v1/events"),
    ("POST", "/api/v1/events/{event_id}/replay"),
    ("POST", "/api/v1/endpoints/{endpoint_id}/test"),
    ("POST", "/api/v1/endpoints/{endpoint_id}/replay"),
    ("POST", "/api/v1/endpoints/{endpoint_id}/recover"),
}
CHANGING = [
    (route.method, route.path)
    for route in ROUTES
    if route.method not in {"GET", "HEAD"} and needs_of(route.handler).access is Access.MEMBERS
]


async def test_whatever_a_user_changes_is_counted_too(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, per_second=1))) as api:
        ada, bob = await join(api), await join(api, "bob@example.com")

        async def suppress(number: int) -> Answer:
            return await ada.post("/api/v1/suppressions", {"address": f"nobody-{number}@example.com"})

        first = await suppress(0)
        assert (first.status, first.headers["RateLimit-Policy"]) == (201, '"changes";q=10;w=10;qu="changes"')
        answers = await asyncio.gather(*(suppress(number) for number in range(1, 60)))
        assert {answer.status for answer in answers} == {201, 429}
        assert 9 <= sum(answer.status == 201 for answer in answers) <= 13
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.body["detail"].startswith("your quota is 1 changes a second, 10 at once; try again in ")
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.headers["RateLimit"].startswith('"changes";r=')
        # Messages, reading, and somebody else are not concerned.
        assert accepted(await flood([ada], 5)) == 5
        assert (await ada.get("/api/v1/me")).status == 200
        assert (await bob.post("/api/v1/suppressions", {"address": "x@example.com"})).status == 201


async def test_every_route_that_changes_something_is_counted(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, per_second=1))) as api:
        ada = await join(api)
        assert len(CHANGING) > len(OF_MESSAGES)
        while (await ada.post("/api/v1/suppressions", {"address": "x@example.com"})).status != 429:
            pass
        for method, path in CHANGING:
            named = re.sub("{.*?}+", "0197d7a4-1c22-7f3b-8e55-0a9b7c6d5e4f", path)
            answer = await ada.send(method, named)
            if answer.status == 429:
                assert (method, path) not in OF_MESSAGES
            else:
                # A second has gone by, or it is none that is counted.
                counted = "changes" in answer.headers.get("RateLimit-Policy", "")
                assert counted is ((method, path) not in OF_MESSAGES), (method, path)


async def test_admins_and_the_operator_change_what_they_like(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, per_second=1))) as api:
        for who in (await admin(api), operator(api)):
            answers = [await who.post("/api/v1/queues/default/start") for _ in range(15)]
            assert {answer.status for answer in answers} == {200}
            assert not any("RateLimit" in answer.headers for answer in answers)


async def test_the_last_day_is_counted_in_postgres(settings: Settings, redis: Redis) -> None:
    async with Api.serving(create_app(limited(settings, per_day=20))) as api:
        ada = await join(api)
        assert accepted(await flood([ada], 30)) == 20
        await redis.flushall()
    async with Api.serving(create_app(limited(settings, per_day=20))) as api:
        refused = await (await log_in(api, "ada@example.com")).post("/api/v1/messages", HOOK)
        assert refused.status == 429
        assert 86_000 < int(refused.headers["Retry-After"]) <= 86_400


@pytest.mark.parametrize("limit", ["per_second", "waiting", "per_day"])
async def test_several_processes_keep_one_quota(settings: Settings, limit: str) -> None:
    limits = limited(settings, **{limit: 10 if limit == "per_second" else 100})
    async with AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(Api.serving(create_app(limits))) for _ in range(4)]
        await join(apis[0])
        people = [await log_in(api, "ada@example.com") for api in apis]
        count = accepted([answer for _ in range(5) for answer in await flood(people, 60)])
        # One request for each process over what is counted, at the most; a second of the rate goes by.
        assert 95 <= count <= (125 if limit == "per_second" else 103), count
        assert await stored(apis[0]) == count


@pytest.mark.parametrize("limit", ["per_second", "waiting"])
async def test_one_process_may_use_it_all(settings: Settings, limit: str) -> None:
    limits = limited(settings, **{limit: 10 if limit == "per_second" else 100})
    async with Api.serving(create_app(limits)) as one, Api.serving(create_app(limits)) as other:
        ada = await join(one)
        assert accepted(await flood([await log_in(other, "ada@example.com")], 1)) == 1
        # A lease that the other has not spent is missing: a twentieth of a burst.
        assert accepted(await flood([ada], 98)) >= 90


async def test_a_batch_counts_each_and_is_kept_whole_or_not_at_all(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, waiting=10))) as api:
        ada = await join(api)
        batch = {"messages": [LATER] * 6}
        assert (await ada.post("/api/v1/messages/batch", batch)).status == 201
        assert (await ada.post("/api/v1/messages/batch", batch)).status == 429
        assert accepted(await flood([ada], 6)) == 4
        assert (await ada.post("/api/v1/messages/batch", {"messages": [LATER] * 11})).status == 413
        assert await stored(api) == 10


async def test_a_batch_larger_than_a_burst_passes_after_a_pause(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, per_second=2))) as api:
        ada = await join(api)
        assert (await ada.post("/api/v1/messages/batch", {"messages": [LATER] * 30})).status == 201
        refused = await ada.post("/api/v1/messages", LATER)
        assert (refused.status, int(refused.headers["Retry-After"])) == (429, 6)


async def test_a_replay_counts_nothing_and_is_answered_over_the_quota(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, waiting=3, per_second=1))) as api:
        ada = await join(api)
        headers = {"Authorization": f"Bearer {ada.credential}", "Idempotency-Key": "one"}
        first = await api.post("/api/v1/messages", LATER, **headers)
        for _ in range(20):
            assert (await api.post("/api/v1/messages", LATER, **headers)).body == first.body
        assert accepted(await flood([ada], 3)) == 2
        again = await api.post("/api/v1/messages", LATER, **headers)
        assert (again.status, again.headers["Idempotent-Replayed"]) == (201, "true")
        assert (await api.post("/api/v1/messages", LATER, **{**headers, "Idempotency-Key": "two"})).status == 429


async def test_what_is_wrong_counts_nothing(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, waiting=3, per_second=1))) as api:
        ada = await join(api)
        for _ in range(15):
            assert (await ada.post("/api/v1/messages", MESSAGE)).status == 422  # a user may not send text messages
        assert accepted(await flood([ada], 4)) == 3


async def test_a_retry_counts_as_a_new_one_does(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, per_second=1))) as api:
        ada = await join(api)
        ids = [answer.body["id"] for answer in await flood([ada], 9)]
        assert (await ada.post("/api/v1/messages/cancel", {"all": True})).body["count"] == 9
        assert (await ada.post(f"/api/v1/messages/{ids[0]}/retry")).status == 200
        assert (await ada.post(f"/api/v1/messages/{ids[1]}/retry")).status == 429
        refused = await ada.post("/api/v1/messages/retry", {"all": True})
        assert (refused.status, "Retry-After" in refused.headers) == (429, True)


async def test_many_are_retried_as_far_as_the_quota_goes(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, per_second=3))) as api:
        ada = await join(api)
        assert accepted(await flood([ada], 20)) == 20
        assert (await ada.post("/api/v1/messages/cancel", {"all": True})).body["count"] == 20
        some = await ada.post("/api/v1/messages/retry", {"all": True})
        assert (some.status, some.body["more"]) == (200, True)
        assert 9 <= some.body["count"] < 20
        assert "RateLimit" in some.headers


async def test_cancelling_makes_room(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.quotas.counts.OVER_SECONDS", 0.0)
    async with Api.serving(create_app(limited(settings, waiting=5))) as api:
        ada = await join(api)
        assert accepted(await flood([ada], 8)) == 5
        await ada.post("/api/v1/messages/cancel", {"all": True})

        # A refusal is not final: after a moment what waits is counted again.
        async def has_room() -> bool:
            return (await ada.post("/api/v1/messages", LATER)).status == 201

        await eventually(has_room)
        assert accepted(await flood([ada], 8)) == 4


async def test_admins_and_the_operator_have_none_unless_given_one(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, waiting=2, per_second=1))) as api:
        root = await admin(api)
        answers = await flood([root, operator(api)], 40)
        assert accepted(answers) == 40
        assert not any("RateLimit" in answer.headers for answer in answers)
        given = await operator(api).send("PUT", f"/api/v1/users/{root.id}/quota", {"waiting": 25})
        assert (given.status, given.body["waiting"], given.body["per_second"]) == (200, 25, 0)
        assert accepted(await flood([root], 10)) == 5


async def test_an_admin_gives_a_user_more_and_the_user_sees_it(settings: Settings) -> None:
    async with Api.serving(create_app(limited(settings, waiting=3, waiting_bytes=1000))) as api:
        ada = await join(api)
        assert accepted(await flood([ada], 5)) == 3
        path = f"/api/v1/users/{ada.id}/quota"
        assert (await ada.send("PUT", path, {"waiting": 5})).status == 403
        assert (await operator(api).send("PUT", path, {"waiting": 5})).status == 200
        assert accepted(await flood([ada], 5)) == 2
        seen = (await ada.get("/api/v1/me/quota")).body
        assert seen == {
            "per_second": 0,
            "burst": 0,
            "per_day": 0,
            "waiting": 5,
            "waiting_bytes": 1000,
            "used": {"per_day": 0, "waiting": 5, "waiting_bytes": 25},
        }
        assert (await operator(api).get(path)).body == seen
        assert (await operator(api).get("/api/v1/me/quota")).status == 404
        nobody = "/api/v1/users/0197d7a4-1c22-7f3b-8e55-0a9b7c6d5e4f/quota"
        assert (await operator(api).send("PUT", nobody, {"waiting": 5})).status == 404
        assert (await operator(api).send("PUT", path, {"waiting": -1})).status == 422
        assert (await operator(api).send("PUT", path, {"weight": 1})).status == 422


async def test_the_fields_of_the_draft_are_on_what_is_accepted_too(settings: Settings) -> None:
    async with Api.serving(create_app(settings)) as api:
        answer = await (await join(api)).post("/api/v1/messages", LATER)
        assert answer.headers["RateLimit-Policy"] == (
            '"rate";q=500;w=10, "day";q=100000;w=86400, "waiting";q=10000, '
            '"waiting-bytes";q=67108864;qu="content-bytes"'
        )
        fields = dict(part.split(";", 1) for part in answer.headers["RateLimit"].split(", "))
        assert fields['"rate"'].startswith("r=49")
        assert fields['"day"'] == "r=99999;t=86400"
        assert fields['"waiting"'] == "r=9999"
        assert fields['"waiting-bytes"'] == "r=67108859"
        assert "RateLimit" not in (await (await log_in(api, "ada@example.com")).get("/api/v1/me")).headers


OLD = [
    ("/messages", {"content": "Hello", "recipient_phone_number": "+905551111111"}, "application/json"),
    ("/echoAtTime", {"time": "2030-01-31T09:00:00Z", "message": "Good morning"}, "text/plain"),
    (
        "/api/v1/task/enqueue",
        {
            "recipient_email": "ida@example.com",
            "subject": "Hi",
            "body": "Hello",
            "scheduled_at": "2030-01-31T09:00:00Z",
        },
        "application/json",
    ),
]


@pytest.mark.parametrize(("path", "body", "media_type"), OLD)
async def test_the_older_systems_refuse_in_their_own_form(
    settings: Settings, path: str, body: dict[str, str], media_type: str
) -> None:
    limits = msgspec.structs.replace(limited(settings, waiting=2), user_channels=("sms", "echo", "email"))
    async with Api.serving(create_app(limits)) as api:
        ada = await join(api)
        headers = {"Authorization": f"Bearer {ada.credential}"}
        answers = []
        for _ in range(3):
            async with api._session.post(api.url.join(type(api.url)(path)), json=body, headers=headers) as response:
                answers.append((response.status, response.headers, await response.text()))
        assert [status for status, _, _ in answers] == [200, 200, 429]
        _, fields, text = answers[2]
        assert fields["Retry-After"] == "1"
        assert fields["Content-Type"].startswith(media_type)
        assert "your quota is 2 messages that wait" in text
        assert "about:blank" not in text


class TestCost:
    """No round trip for a message."""

    async def test_neither_redis_nor_postgres_is_asked_for_each(self, settings: Settings, redis: Redis) -> None:
        app = create_app(settings)
        async with Api.serving(app) as api:
            ada = await join(api)
            await flood([ada], 5)
            quotas, who = app[QUOTAS], Principal(user_id=ada.id, role=Role.USER, channels=None)
            counted = app[STORE].quotas.count
            counts: list[object] = []

            async def count(quotas: Any) -> Any:
                counts.append(quotas)
                return await counted(quotas)

            app[STORE].quotas.count = count  # type: ignore[method-assign]
            before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
            for _ in range(400):
                taken = await quotas.take(who, [10])
                assert taken is not None
                taken.settle([True])
            asked = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before
            assert asked <= 400 / 25 + 1
            assert counts == []

    async def test_a_flood_that_is_refused_asks_seldom(self, settings: Settings, redis: Redis) -> None:
        app = create_app(limited(settings, per_second=10, waiting=50))
        async with Api.serving(app) as api:
            ada = await join(api)
            await flood([ada], 60)
            before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
            who = Principal(user_id=ada.id, role=Role.USER, channels=None)
            for _ in range(2000):
                with pytest.raises(OverQuotaError):
                    await app[QUOTAS].take(who, [10])
            assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before <= 40

    async def test_what_a_count_reads_is_bounded(self, settings: Settings) -> None:
        app = create_app(limited(settings, waiting=1000, per_day=1000))
        async with Api.serving(app) as api:
            ada = await join(api)
            await ada.post("/api/v1/messages/batch", {"messages": [LATER] * 900})
            await operator(api).send("PUT", f"/api/v1/users/{ada.id}/quota", {"waiting": 10, "per_day": 20})
            used = (await ada.get("/api/v1/me/quota")).body["used"]
            assert (used["waiting"], used["per_day"]) == (11, 21)


class TestWithoutRedis:
    """A safe share each."""

    @pytest.fixture
    def gone(self, settings: Settings, tmp_path: Path) -> Settings:
        return msgspec.structs.replace(settings, redis_uri=f"unix://{tmp_path}/gone.sock")

    async def test_a_process_goes_on_with_its_share(self, gone: Settings) -> None:
        async with Api.serving(create_app(limited(gone, per_second=8, waiting=1000))) as api:
            ada = await join(api)
            with capture_logs() as logs:
                assert 20 <= accepted(await flood([ada], 60)) <= 24  # of 80, for four processes
            assert [entry["log_level"] for entry in logs if "Redis is away" in entry["event"]] == ["warning"]

    async def test_what_is_counted_in_postgres_holds(self, gone: Settings) -> None:
        async with Api.serving(create_app(limited(gone, waiting=40))) as api:
            assert 38 <= accepted(await flood([await join(api)], 60)) <= 40

    async def test_seldom_posts_are_all_accepted(self, gone: Settings) -> None:
        async with Api.serving(create_app(gone)) as api:
            ada = await join(api)
            assert [(await ada.post("/api/v1/messages", LATER)).status for _ in range(20)] == [201] * 20


async def test_a_post_that_is_cut_off_gives_back_what_it_took(settings: Settings) -> None:
    app = create_app(limited(settings, waiting=10, per_second=1))
    async with Api.serving(app) as api:
        ada = await join(api)
        who = Principal(user_id=UUID(str(ada.id)), role=Role.USER, channels=None)
        await flood([ada], 1)
        for _ in range(30):
            taken = await app[QUOTAS].take(who, [5])
            assert taken is not None
            taken.settle([False])
        assert accepted(await flood([ada], 12)) == 9
