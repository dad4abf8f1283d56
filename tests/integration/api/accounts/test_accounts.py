"""api/accounts/routes.py and api/accounts/me_routes.py: registering, logging in, and the own account."""

from datetime import datetime, timedelta

import msgspec
import pytest
from aiohttp import web
from argon2.profiles import RFC_9106_LOW_MEMORY

from api.accounts.passwords import Passwords
from api.app import create_app
from api.http.resources import ACCOUNTS, STORE
from tests.integration.api.accounts.people import PASSWORD, SMTP, admin, join, log_in, operator, stranger
from tests.integration.api.client import MESSAGE, Api
from tidings.domain.account import User
from tidings.domain.timestamps import utc_now
from tidings.security.secretbox import Purpose, SecretBox
from tidings.settings import Settings

ACCOUNTS_PATH, TOKENS_PATH, ME = "/api/v1/accounts", "/api/v1/tokens", "/api/v1/me"
ADA = {"email": "ada@example.com", "password": PASSWORD}
REFUSED = "the e-mail address or the password is wrong"


class TestRegistration:
    async def test_an_account_is_made_and_shown_without_secrets(self, api: Api) -> None:
        made = await api.post(ACCOUNTS_PATH, {**ADA, "smtp": SMTP})
        assert (made.status, made.headers["Location"]) == (201, ME)
        assert made.body["email"] == "ada@example.com"
        assert (made.body["role"], made.body["channels"]) == ("user", ["email", "webhook"])
        assert made.body["smtp"] == {
            "host": "mail.example.com",
            "port": 587,
            "username": "ada",
            "has_password": True,
            "tls": "starttls",
        }
        me = await (await log_in(api, "ada@example.com")).get(ME)
        assert (me.status, me.body) == (200, made.body)

    async def test_each_address_once_in_any_case(self, api: Api) -> None:
        await join(api)
        for email in ("ada@example.com", "ADA@example.com", " ada@EXAMPLE.com "):
            answer = await api.post(ACCOUNTS_PATH, {**ADA, "email": email})
            assert answer.status == 409
        assert len((await operator(api).get("/api/v1/users")).body["users"]) == 1

    async def test_every_fault_is_named(self, api: Api) -> None:
        answer = await api.post(
            ACCOUNTS_PATH, {"email": "ada", "password": "short", "smtp": {"host": "no host", "username": "ada"}}
        )
        assert (answer.status, [field for _, field in answer.faults]) == (
            422,
            ["email", "password", "smtp.host", "smtp.password"],
        )
        assert "short" not in str(answer.body)

    @pytest.mark.parametrize("more", [{"role": "admin"}, {"channels": ["sms"]}, {"id": 1}])
    async def test_nobody_promotes_themselves(self, api: Api, more: dict[str, object]) -> None:
        answer = await api.post(ACCOUNTS_PATH, {**ADA, **more})
        assert (answer.status, answer.faults) == (422, [(None, next(iter(more)))])

    async def test_where_it_is_closed_only_an_admin_makes_accounts(self, settings: Settings) -> None:
        async with Api.serving(create_app(msgspec.structs.replace(settings, registration="closed"))) as api:
            assert (await api.post(ACCOUNTS_PATH, ADA)).status == 403
            assert (await operator(api).post(ACCOUNTS_PATH, ADA)).status == 403
            assert (await operator(api).post("/api/v1/users", ADA)).status == 201
            await log_in(api, "ada@example.com")

    async def test_without_a_key_to_encrypt_with_no_secret_is_taken(self, settings: Settings) -> None:
        async with Api.serving(create_app(msgspec.structs.replace(settings, secret_keys=()))) as api:
            assert (await api.post(ACCOUNTS_PATH, {**ADA, "smtp": SMTP})).status == 503
            assert (await api.post(ACCOUNTS_PATH, {**ADA, "smtp": {"host": "localhost"}})).status == 201
            ada = await log_in(api, "ada@example.com")
            assert (await ada.post(f"{ME}/webhook-secret/rotate")).status == 503


class TestLogin:
    async def test_a_token_for_twelve_hours(self, api: Api) -> None:
        await join(api)
        answer = await api.post(TOKENS_PATH, {**ADA, "email": "ADA@Example.com"})
        assert (answer.status, answer.headers["Cache-Control"]) == (201, "no-store")
        assert answer.body.keys() == {"token", "token_type", "expires_at", "user_id"}
        left = datetime.fromisoformat(answer.body["expires_at"]) - utc_now()
        assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)

    async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer_at_the_same_cost(
        self, app: web.Application, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await join(api)
        verified: list[str] = []
        matches = Passwords._matches

        def counted(passwords: Passwords, password: str, kept: str) -> bool:
            verified.append(kept.rsplit("$", 2)[0])
            return matches(passwords, password, kept)

        monkeypatch.setattr(Passwords, "_matches", counted)
        answers = []
        for email in ("ada@example.com", "nobody@example.com", "no address", "nul\0@example.com"):
            verified.clear()
            answer = await api.post(TOKENS_PATH, {"email": email, "password": "a wrong password"})
            answers.append((answer.status, answer.body, answer.headers["WWW-Authenticate"]))
            # One verification each, with the same parameters.
            assert verified == ["$argon2id$v=19$m=8,t=1,p=1"]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0][0] == 401
        assert answers[0][1]["detail"] == REFUSED

    async def test_a_hash_with_older_parameters_is_replaced(self, app: web.Application, api: Api) -> None:
        ada = await join(api)
        store = app[STORE].users

        async def kept() -> User:
            user = await store.find_by_email("ada@example.com")
            assert user is not None
            return user

        older = Passwords(RFC_9106_LOW_MEMORY)
        await store.rehash((await kept()).id, old=(await kept()).password_hash, new=await older.hash(PASSWORD))
        older.close()
        before = await kept()
        assert (await api.post(TOKENS_PATH, {**ADA, "password": "a wrong password"})).status == 401
        assert await kept() == before
        await log_in(api, "ada@example.com")
        after = await kept()
        assert "m=65536" in before.password_hash
        assert "m=8," in after.password_hash
        # It is the same password, so tokens stay good.
        assert after.token_version == before.token_version
        assert (await ada.get(ME)).status == 200
        await log_in(api, "ada@example.com")
        assert await kept() == after

    @pytest.mark.parametrize("body", [{"email": "ada@example.com"}, {**ADA, "password": 1}, {**ADA, "more": 1}])
    async def test_a_body_that_does_not_fit(self, api: Api, body: dict[str, object]) -> None:
        assert (await api.post(TOKENS_PATH, body)).status == 422

    async def test_a_made_up_token_is_refused(self, api: Api) -> None:
        answer = await stranger(api).get(ME)
        assert answer.status == 401
        assert "invalid_token" in answer.headers["WWW-Authenticate"]


class TestOwnAccount:
    async def test_a_new_password_makes_every_token_void(self, api: Api) -> None:
        ada, elsewhere = await join(api), await log_in(api, "ada@example.com")
        program = await ada.key()
        changed = await ada.send("PATCH", ME, {"password": "another password", "current_password": PASSWORD})
        assert changed.status == 200
        assert [(await who.get(ME)).status for who in (ada, elsewhere, program)] == [401, 401, 200]
        assert (await api.post(TOKENS_PATH, ADA)).status == 401
        assert (await (await log_in(api, "ada@example.com", "another password")).get(ME)).status == 200

    async def test_it_takes_the_present_one(self, api: Api) -> None:
        ada = await join(api)
        for change in ({"password": "another password"}, {"email": "ada@other.example"}):
            for current in ({}, {"current_password": "a wrong password"}):
                answer = await ada.send("PATCH", ME, {**change, **current})
                assert (answer.status, answer.faults) == (422, [(None, "current_password")])
        assert (await ada.get(ME)).body["email"] == "ada@example.com"
        await log_in(api, "ada@example.com")

    async def test_a_password_is_not_made_of_an_address_that_was_or_will_be(self, api: Api) -> None:
        ada = await join(api)
        present = {"current_password": PASSWORD}
        for email in ("ada@example.com", "lovelace@other.example"):
            change = {"email": "lovelace@other.example", "password": f"{email}!", **present}
            answer = await ada.send("PATCH", ME, change)
            assert (answer.status, answer.faults) == (422, [(None, "password")])

    async def test_an_address_that_is_the_password_is_refused(self, api: Api) -> None:
        ada, password = await join(api), "lovelace@other.example"
        change = {"password": password, "current_password": PASSWORD}
        assert (await ada.send("PATCH", ME, change)).status == 200
        ada = await log_in(api, "ada@example.com", password)
        answer = await ada.send("PATCH", ME, {"email": password, "current_password": password})
        assert (answer.status, answer.faults) == (422, [(None, "email")])

    async def test_a_new_address_must_be_free(self, api: Api) -> None:
        ada = await join(api)
        await join(api, "bob@example.com")
        taken = {"email": "BOB@example.com", "current_password": PASSWORD}
        assert (await ada.send("PATCH", ME, taken)).status == 409
        free = await ada.send("PATCH", ME, {"email": "ada@other.example", "current_password": PASSWORD})
        assert (free.status, free.body["email"]) == (200, "ada@other.example")
        assert (await ada.get(ME)).status == 200
        await log_in(api, "ada@other.example")

    async def test_an_smtp_account_is_replaced_as_a_whole(
        self, app: web.Application, api: Api, settings: Settings
    ) -> None:
        ada = await join(api)
        assert (await ada.get(ME)).body["smtp"] is None
        assert (await ada.send("PATCH", ME, {"smtp": SMTP})).body["smtp"]["has_password"]
        assert ada.id is not None
        kept = (await app[STORE].users.senders([ada.id]))[ada.id].smtp
        assert kept is not None
        assert kept.password is not None
        box = SecretBox(settings.secret_keys)
        assert box.unseal(kept.password, Purpose.SMTP_PASSWORD, ada.id) == SMTP["password"]
        # Whoever has got hold of a token must not have the password sent to a server of theirs.
        moved = await ada.send("PATCH", ME, {"smtp": {"host": "mail.evil.example", "username": "ada"}})
        assert (moved.status, moved.faults) == (422, [(None, "smtp.password")])
        plain = {"host": "localhost", "port": 25, "tls": False}
        assert (await ada.send("PATCH", ME, {"smtp": plain})).body["smtp"] == {
            **plain,
            "username": None,
            "has_password": False,
            "tls": "none",
        }
        for port, tls, expected in ((465, True, "implicit"), (465, None, "implicit"), (2465, "implicit", "implicit")):
            smtp = {"host": "localhost", "port": port, "tls": tls}
            assert (await ada.send("PATCH", ME, {"smtp": smtp})).body["smtp"]["tls"] == expected
        wrong = await ada.send("PATCH", ME, {"smtp": {**plain, "tls": "ssl"}})
        assert (wrong.status, wrong.faults) == (422, [(None, "smtp.tls")])
        assert (await ada.send("PATCH", ME, {})).body["smtp"]["host"] == "localhost"
        assert (await ada.send("PATCH", ME, {"smtp": None})).body["smtp"] is None

    async def test_one_wrong_field_and_nothing_changes(self, api: Api) -> None:
        ada = await join(api)
        before = (await ada.get(ME)).body
        answer = await ada.send(
            "PATCH", ME, {"email": "ada@other.example", "current_password": PASSWORD, "smtp": {"host": ""}}
        )
        assert (answer.status, answer.faults) == (422, [(None, "smtp.host")])
        assert (await ada.get(ME)).body == before

    async def test_a_signing_secret_is_shown_once(self, app: web.Application, api: Api, settings: Settings) -> None:
        ada = await join(api)
        assert not (await ada.get(ME)).body["signs_webhooks"]
        made = [(await ada.post(f"{ME}/webhook-secret/rotate")).body for _ in range(2)]
        assert (await ada.get(ME)).body["signs_webhooks"]
        assert abs(datetime.fromisoformat(made[0]["previous_until"]) - utc_now() - timedelta(hours=24)) < timedelta(
            minutes=1
        )
        assert ada.id is not None
        sender = (await app[STORE].users.senders([ada.id]))[ada.id]
        box = SecretBox(settings.secret_keys)
        assert sender.secret is not None
        assert sender.previous_secret is not None
        assert box.unseal(sender.secret, Purpose.WEBHOOK_SECRET, ada.id) == made[1]["secret"]
        assert box.unseal(sender.previous_secret, Purpose.WEBHOOK_SECRET, ada.id) == made[0]["secret"]
        assert made[0]["secret"].startswith("whsec_")

    async def test_the_operator_has_none(self, api: Api) -> None:
        for method, path in (("GET", ME), ("PATCH", ME), ("POST", f"{ME}/webhook-secret/rotate")):
            assert (await operator(api).send(method, path)).status == 404


class TestWhoAsks:
    async def test_messages_belong_to_whoever_handed_them_in(self, api: Api, app: web.Application) -> None:
        ada = await join(api)
        webhook = {"channel": "webhook", "recipient": "https://example.com/hook", "content": "hello"}
        own = (await ada.post("/api/v1/messages", webhook)).body["id"]
        assert (await operator(api).post("/api/v1/messages", MESSAGE)).status == 201
        assert [message["id"] for message in (await ada.get("/api/v1/messages")).body["messages"]] == [own]
        assert len((await operator(api).get("/api/v1/messages")).body["messages"]) == 2
        assert len((await (await admin(api)).get("/api/v1/messages")).body["messages"]) == 2

    async def test_channels_that_one_does_not_have(self, api: Api) -> None:
        ada = await join(api)
        refused = await ada.post("/api/v1/messages", MESSAGE)
        assert (refused.status, refused.faults) == (422, [(None, "channel")])
        refused = await ada.post("/api/v1/messages/batch", {"messages": [MESSAGE]})
        assert (refused.status, refused.faults) == (422, [(0, "channel")])
        assert (await (await admin(api)).post("/api/v1/messages", MESSAGE)).status == 201
        await operator(api).send("PATCH", f"/api/v1/users/{ada.id}", {"channels": ["sms"]})
        assert (await ada.post("/api/v1/messages", MESSAGE)).status == 201

    async def test_on_loopback_nobody_needs_to_be_anybody_until_there_are_accounts(self, settings: Settings) -> None:
        async with Api.serving(create_app(msgspec.structs.replace(settings, api_key=""))) as api:
            assert (await api.get("/api/v1/messages")).status == 200
            assert (await stranger(api).get("/api/v1/messages")).status == 401
            ada = await join(api)
            assert (await api.get("/api/v1/messages")).status == 401
            assert (await ada.get("/api/v1/messages")).status == 200

    async def test_that_is_seen_by_another_process_within_a_second(self, settings: Settings) -> None:
        keyless = msgspec.structs.replace(settings, api_key="")
        first, second = create_app(keyless), create_app(keyless)
        async with Api.serving(first) as one, Api.serving(second) as other:
            assert (await other.get("/api/v1/messages")).status == 200
            await join(one)
            second[ACCOUNTS].credentials._nobody.forget(None)  # a second later
            assert (await other.get("/api/v1/messages")).status == 401

    async def test_pages_of_others_make_no_accounts(self, settings: Settings) -> None:
        async with Api.serving(create_app(msgspec.structs.replace(settings, api_key=""))) as api:
            for headers in ({"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
                assert (await api.post(ACCOUNTS_PATH, ADA, **headers)).status == 403
            assert (await api.get("/api/v1/messages")).status == 200
