"""Accounts that are disabled: every credential stops at once, messages wait and cost nothing, and both go on later."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from api.app import create_app
from producer.accounts import AccountMaintenance
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.api.accounts.people import PASSWORD, Person, admin, join, log_in, operator
from tests.integration.api.client import MESSAGE, Api
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, until, until_held
from tidings.domain.account import Role
from tidings.domain.errors import LastAdminError
from tidings.domain.ids import new_id
from tidings.domain.states import HeldReason, Status
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings

ECHO = {**MESSAGE, "channel": "echo", "recipient": "log"}


async def disable(api: Api, person: Person) -> None:
    answer = await operator(api).post(f"/api/v1/users/{person.id}/disable")
    assert answer.status == 200, answer.body
    assert answer.body["disabled_at"] is not None


async def enable(api: Api, person: Person) -> None:
    answer = await operator(api).post(f"/api/v1/users/{person.id}/enable")
    assert (answer.status, answer.body["disabled_at"]) == (200, None)


def maintenance(store: Store, settings: Settings) -> AccountMaintenance:
    return AccountMaintenance(store, every=1, retention=utc_now() - utc_now())


class TestCredentials:
    async def test_token_key_and_login_stop_at_once(self, api: Api) -> None:
        ada = await join(api)
        key = await ada.key()
        assert (await ada.get("/api/v1/me")).status == (await key.get("/api/v1/me")).status == 200
        await disable(api, ada)
        for credential in (ada, key):
            assert (await credential.get("/api/v1/me")).status == 401
            assert (await credential.post("/api/v1/messages", ECHO)).status == 401
        login = await api.post("/api/v1/tokens", {"email": ada.email, "password": PASSWORD})
        assert (login.status, login.body["detail"]) == (403, "this account is disabled")
        # Who does not know the password learns nothing.
        assert (await api.post("/api/v1/tokens", {"email": ada.email, "password": "guessed"})).status == 401

    async def test_keys_are_good_again_afterwards_and_tokens_are_not(self, api: Api) -> None:
        ada = await join(api)
        key = await ada.key()
        await disable(api, ada)
        await enable(api, ada)
        assert (await key.get("/api/v1/me")).status == 200
        assert (await ada.get("/api/v1/me")).status == 401
        assert (await (await log_in(api, ada.email)).get("/api/v1/me")).status == 200

    async def test_what_an_admins_key_made_for_somebody_else_stops_too(self, api: Api) -> None:
        root, ada = await admin(api), await join(api)
        program = await root.key(role="admin", scopes=["read", "admin"])
        made = await program.post(f"/api/v1/users/{ada.id}/api-keys", {"name": "of a program", "scopes": ["read"]})
        key = msgspec.structs.replace(ada, credential=made.body["key"])
        await admin(api, "other@example.com")  # the last one cannot be disabled
        await disable(api, root)
        assert (await key.get("/api/v1/me")).status == 401
        await enable(api, root)

        async def good_again() -> bool:
            return (await key.get("/api/v1/me")).status == 200

        assert await eventually(good_again)

    async def test_another_process_hears_of_it_within_seconds(self, api: Api, settings: Settings) -> None:
        ada = await join(api)
        async with Api.serving(create_app(settings)) as other:
            there = msgspec.structs.replace(ada, api=other)
            assert (await there.get("/api/v1/me")).status == 200
            await disable(api, ada)

            async def refused() -> bool:
                return (await there.get("/api/v1/me")).status == 401

            assert await eventually(refused)

    async def test_the_older_interface_refuses_too(self, api: Api) -> None:
        ada = await join(api)
        await disable(api, ada)
        login = {"email": ada.email, "password": PASSWORD}
        async with aiohttp.request("POST", api.url.join(URL("/api/v1/login")), json=login) as response:
            assert response.status == 403

    async def test_only_an_admin_disables(self, api: Api) -> None:
        ada, bob = await join(api), await join(api, "bob@example.com")
        for action in ("disable", "enable"):
            assert (await bob.post(f"/api/v1/users/{ada.id}/{action}")).status == 403
            assert (await operator(api).post(f"/api/v1/users/{new_id()}/{action}")).status == 404
        assert (await ada.get("/api/v1/me")).status == 200

    async def test_a_new_password_ends_keys_where_that_is_wanted(self, api: Api) -> None:
        ada = await join(api)
        key, other = await ada.key(), await (await join(api, "bob@example.com")).key()
        change: dict[str, Any] = {"password": f"{PASSWORD} again", "current_password": PASSWORD}
        assert (await ada.send("PATCH", "/api/v1/me", change)).status == 200
        assert (await key.get("/api/v1/me")).status == 200
        ada = await log_in(api, ada.email, f"{PASSWORD} again")
        refused = await ada.send("PATCH", "/api/v1/me", {"revoke_keys": True})
        assert refused.faults == [(None, "revoke_keys")]
        change = {"password": PASSWORD, "current_password": f"{PASSWORD} again", "revoke_keys": True}
        assert (await ada.send("PATCH", "/api/v1/me", change)).status == 200
        assert (await key.get("/api/v1/me")).status == 401
        assert (await other.get("/api/v1/me")).status == 200


class TestMessages:
    async def test_what_waits_stays_and_goes_when_the_user_is_enabled(
        self, api: Api, store: Store, settings: Settings
    ) -> None:
        ada, bob = await join(api), await join(api, "bob@example.com")
        await disable(api, ada)
        [waiting] = await keep(store, user_id=ada.id)
        [others] = await keep(store, user_id=bob.id)
        async with consuming(settings, Gateway()) as consumer:
            await hand_over(store, consumer)
            await until(store, others, Status.SENT)
            held = await until_held(store, waiting, HeldReason.DISABLED)
            assert held.tries == 0
            # It comes again in a day, not in a minute: what waits costs nothing.
            assert (held.due_at - utc_now()).total_seconds() > 86_000
            await maintenance(store, settings).wake_enabled()
            assert (await store.messages.get(waiting)) == held
            await enable(api, ada)
            await maintenance(store, settings).wake_enabled()

            async def sent() -> bool:
                await hand_over(store, consumer)
                message = await store.messages.get(waiting)
                return message is not None and message.status is Status.SENT

            assert await eventually(sent)

    async def test_what_a_consumer_has_in_line_already_is_not_started(
        self, api: Api, store: Store, settings: Settings
    ) -> None:
        ada = await join(api)
        gateway = Gateway()
        gateway.hold.clear()
        async with consuming(settings, gateway, in_flight=1, in_flight_per_destination=1) as consumer:
            [first, second] = await keep(store, 2, user_id=ada.id, channel="sms", recipient="+4915112345678")
            over = asyncio.create_task(hand_over(store, consumer))
            await eventually(lambda: _now(len(gateway.received) == 1))
            await disable(api, ada)

            async def heard() -> bool:
                sender = consumer._senders.known(ada.id) if ada.id else None
                return sender is None or sender.disabled

            assert await eventually(heard)
            gateway.hold.set()
            await over
            await until(store, first, Status.SENT)
            await until_held(store, second, HeldReason.DISABLED)
        assert len(gateway.received) == 1


async def _now(value: bool) -> bool:
    return value


class TestTheLastAdmin:
    async def test_can_be_neither_demoted_disabled_nor_deleted(self, api: Api) -> None:
        root = await admin(api)
        path = f"/api/v1/users/{root.id}"
        refused = [
            await root.send("PATCH", path, {"role": "user"}),
            await root.post(f"{path}/disable"),
            await root.send("DELETE", path),
            await root.post("/api/v1/me/delete", {"current_password": PASSWORD}),
        ]
        assert [answer.status for answer in refused] == [409] * 4, refused
        assert (await root.get("/api/v1/users")).status == 200
        # One who is disabled does not count.
        second = await admin(api, "second@example.com")
        await disable(api, second)
        assert (await root.post(f"{path}/disable")).status == 409
        await enable(api, second)
        assert (await root.post(f"{path}/disable")).status == 200

    @pytest.mark.parametrize("how", ["demote", "disable", "delete"])
    async def test_stays_also_where_all_are_taken_at_once(self, store: Store, how: str) -> None:
        admins = [
            (await store.users.create(email=f"{number}@example.com", password_hash="argon2", role=Role.ADMIN)).id
            for number in range(4)
        ]

        async def demote(user_id: Any) -> object:
            return await store.users.update(user_id, role=Role.USER)

        does: dict[str, Callable[[Any], Awaitable[object]]] = {
            "demote": demote,
            "disable": store.users.disable,
            "delete": store.deletions.request,
        }
        done = await asyncio.gather(*(does[how](user_id) for user_id in admins), return_exceptions=True)
        assert sorted(type(result) is LastAdminError for result in done) == [False, False, False, True]
        left = [user for user in await store.users.page(after=None, limit=9) if user.disabled_at is None]
        assert [user.role for user in left if user.role is Role.ADMIN] == [Role.ADMIN]
