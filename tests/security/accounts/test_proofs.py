"""Whose an e-mail address is: proven by a link in a mail, told to nobody else, needed before mail goes out from it."""

import asyncio
import re
from datetime import timedelta

import aiohttp
import msgspec
import pytest
from aiohttp import web
from yarl import URL

from api.accounts.account_mails import MOST
from api.app import create_app
from api.http.resources import ACCOUNTS
from producer.accounts import AccountMaintenance
from sql.store import Store
from sql.users import UserStore
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.api.accounts.people import PASSWORD, SMTP, Person, admin, log_in, operator
from tests.integration.api.client import Api
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, until_held
from tests.security.accounts.test_deletion import everything
from tidings.domain.account import User
from tidings.domain.ids import new_id
from tidings.domain.states import HeldReason
from tidings.domain.timestamps import utc_now
from tidings.security.account_links import AccountLink, AccountLinks, LinkKind
from tidings.settings import Settings

ROOT = "https://mail.example.com"
ADA, MALLORY = "ada@example.com", "mallory@example.com"
NEW_PASSWORD = "a password that is new"
MAIL = {"channel": "email", "recipient": "ida@example.com", "subject": "Hello", "content": "Hello"}
LINK = re.compile(rf"{ROOT}(/account/\w+/\S+)")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The operator has a mail account."""
    return msgspec.structs.replace(
        settings,
        smtp_url="smtp://operator:secret@mail.example.com:587",
        smtp_from="mail@example.com",
        public_url=ROOT,
        logins_per_address=0,
    )


async def mails(store: Store, to: str = ADA) -> list[str]:
    """What was sent about an account, the oldest first; each is of the operator."""
    async with store.database.pool.acquire() as connection:
        rows = await connection.fetch("SELECT * FROM messages WHERE recipient = $1 ORDER BY id", to)
    assert {(row["channel"], row["user_id"]) for row in rows} <= {("email", None)}
    return [row["content"] for row in rows]


def link_in(mail: str) -> str:
    found = LINK.search(mail)
    assert found is not None, mail
    return found[1]


async def browse(api: Api, method: str, path: str, **form: str) -> tuple[int, str]:
    """As a browser asks for a page; every one of them keeps scripts and frames out."""
    async with aiohttp.request(method, api.url.join(URL(path)), data=form or None) as response:
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        return response.status, await response.text()


async def register(api: Api, email: str = ADA, password: str = PASSWORD, **more: object) -> None:
    answer = await api.post("/api/v1/accounts", {"email": email, "password": password, **more})
    assert answer.status == 202, answer.body


async def proven(api: Api, store: Store, email: str = ADA) -> Person:
    await register(api, email, smtp=SMTP)
    [mail] = await mails(store, email)
    assert (await browse(api, "POST", link_in(mail)))[0] == 200
    return await log_in(api, email)


class TestRegistration:
    async def test_the_answer_is_the_same_for_a_known_address(self, api: Api, store: Store) -> None:
        first = await api.post("/api/v1/accounts", {"email": ADA, "password": PASSWORD})
        second = await api.post("/api/v1/accounts", {"email": ADA.upper(), "password": NEW_PASSWORD})
        assert first.status == second.status == 202
        assert first.body == second.body
        assert first.headers.keys() == second.headers.keys()
        proof, known = await mails(store)
        assert "/account/proof/" in proof
        assert "You have one already" in known
        assert "/account/proof/" not in known
        # Nothing has changed for the one whose account it is.
        assert (await log_in(api, ADA)).email == ADA
        assert (await api.post("/api/v1/tokens", {"email": ADA, "password": NEW_PASSWORD})).status == 401

    async def test_faults_are_the_same_too(self, api: Api) -> None:
        await register(api)
        for email in (ADA, MALLORY):
            answer = await api.post("/api/v1/accounts", {"email": email, "password": "short"})
            assert (answer.status, answer.faults) == (422, [(None, "password")])
        unreachable = await api.post("/api/v1/accounts", {"email": "ada@x.test", "password": PASSWORD})
        assert (unreachable.status, unreachable.faults) == (422, [(None, "email")])

    async def test_an_older_client_is_told_what_it_knows(self, api: Api, store: Store) -> None:
        wanted = {
            "email": ADA,
            "password": "password123",
            "smtp_host": "mail.example.com",
            "smtp_port": 587,
            "smtp-username": ADA,
            "smtp-password": "smtp_password",
        }
        url = api.url.join(URL("/api/v1/register"))
        statuses = []
        for _ in range(2):
            async with aiohttp.request("POST", url, json=wanted) as response:
                statuses.append(response.status)
        assert statuses == [201, 409]
        assert len(await mails(store)) == 1
        ada = await log_in(api, ADA, "password123")
        assert (await ada.post("/api/v1/messages", MAIL)).status == 422
        await browse(api, "POST", link_in((await mails(store))[0]))
        assert (await ada.post("/api/v1/messages", MAIL)).status == 201


class TestTheProof:
    async def test_mail_goes_out_once_the_address_is_proven(self, api: Api, store: Store) -> None:
        await register(api, smtp=SMTP)
        ada = await log_in(api, ADA)
        assert (await ada.get("/api/v1/me")).body["email_proven_at"] is None
        refused = await ada.post("/api/v1/messages", MAIL)
        assert (refused.status, refused.faults) == (422, [(None, "from")])
        assert "not proven" in refused.body["detail"]
        for sender in (ADA, "ada"):
            assert (await ada.post("/api/v1/messages", {**MAIL, "from": sender})).status == 422
        batch = await ada.post("/api/v1/messages/batch", {"messages": [MAIL]})
        assert batch.status == 422
        # Other channels are open meanwhile.
        hook = {"channel": "webhook", "recipient": "https://example.com/", "content": "{}"}
        assert (await ada.post("/api/v1/messages", hook)).status == 201
        path = link_in((await mails(store))[0])
        # Mail servers open links: that alone proves nothing.
        status, page = await browse(api, "GET", path)
        assert status == 200
        assert ADA in page
        assert (await ada.get("/api/v1/me")).body["email_proven_at"] is None
        assert (await browse(api, "POST", path))[0] == 200
        assert (await ada.get("/api/v1/me")).body["email_proven_at"] is not None
        assert (await ada.post("/api/v1/messages", MAIL)).status == 201

    async def test_an_address_that_an_admin_allows_needs_none(self, api: Api) -> None:
        await register(api, smtp=SMTP)
        ada = await log_in(api, ADA)
        await operator(api).send("PATCH", f"/api/v1/users/{ada.id}", {"allowed_from": ["news@example.com"]})
        assert (await ada.post("/api/v1/messages", {**MAIL, "from": "news@example.com"})).status == 201
        assert (await ada.post("/api/v1/messages", {**MAIL, "from": ADA})).status == 422

    async def test_an_admin_can_say_it(self, api: Api) -> None:
        await register(api, smtp=SMTP)
        ada = await log_in(api, ADA)
        path = f"/api/v1/users/{ada.id}"
        assert (await ada.send("PATCH", path, {"email_proven": True})).status == 403
        said = await operator(api).send("PATCH", path, {"email_proven": True})
        assert said.body["email_proven_at"] is not None
        assert (await ada.post("/api/v1/messages", MAIL)).status == 201
        await operator(api).send("PATCH", path, {"email_proven": False})

        async def refused() -> bool:
            return (await ada.post("/api/v1/messages", MAIL)).status == 422

        # The right is known for some seconds more; what is accepted in them is held.
        assert await eventually(refused)
        made = await admin(api)
        assert (await made.get("/api/v1/me")).body["email_proven_at"] is not None

    async def test_another_address_has_to_be_proven_again(self, api: Api, store: Store) -> None:
        ada = await proven(api, store)
        change = {"email": "lovelace@example.com", "current_password": PASSWORD}
        changed = await ada.send("PATCH", "/api/v1/me", change)
        assert (changed.status, changed.body["email_proven_at"]) == (200, None)
        assert (await ada.post("/api/v1/messages", MAIL)).status == 422
        # The link of the old address proves nothing of the new one.
        assert (await browse(api, "POST", link_in((await mails(store))[0])))[0] == 404
        assert (await browse(api, "POST", link_in((await mails(store, "lovelace@example.com"))[0])))[0] == 200
        assert (await ada.post("/api/v1/messages", MAIL)).status == 201

    async def test_mail_that_waits_is_held_where_the_address_is_another_one(
        self, api: Api, store: Store, settings: Settings
    ) -> None:
        await register(api, smtp=SMTP)
        ada = await log_in(api, ADA)
        async with consuming(settings, Gateway()) as consumer:
            [waiting] = await keep(store, channel="email", recipient="ida@example.com", user_id=ada.id)
            await hand_over(store, consumer)
            held = await until_held(store, waiting, HeldReason.ACCOUNT)
            assert held.last_error == "the user's e-mail address is not proven"
            assert ada.id is not None
            await store.users.prove(ada.id)
            woken = await store.messages.get(waiting)
            assert woken is not None
            assert woken.due_at < held.due_at

    @pytest.mark.parametrize("token", ["guessed", "é", "A" * 3000, "AAAA" * 30])
    async def test_a_link_that_nobody_signed_does_nothing(self, api: Api, token: str) -> None:
        for kind in LinkKind:
            for method in ("GET", "POST"):
                status, _ = await browse(api, method, f"/account/{kind}/{token}")
                assert status == 404

    def test_a_link_of_one_kind_is_none_of_the_other_and_ends(self, settings: Settings) -> None:
        links, now = AccountLinks(settings.secret_keys), utc_now()
        link = AccountLink(new_id(), 3, ADA)
        proof = links.sign(LinkKind.PROOF, link, now)
        password = links.sign(LinkKind.PASSWORD, link, now)
        assert links.read(LinkKind.PROOF, proof, now) == links.read(LinkKind.PASSWORD, password, now) == link
        assert links.read(LinkKind.PASSWORD, proof, now) is links.read(LinkKind.PROOF, password, now) is None
        assert links.read(LinkKind.PASSWORD, password, now + timedelta(hours=1, seconds=1)) is None
        assert links.read(LinkKind.PROOF, proof, now + timedelta(days=3, seconds=1)) is None

    async def test_mails_are_bounded(self, api: Api, store: Store) -> None:
        await register(api)
        ada = await log_in(api, ADA)
        statuses = [(await ada.post("/api/v1/me/proof")).status for _ in range(MOST + 1)]
        assert statuses == [202] * (MOST - 1) + [429] * 2
        # However they are asked for.
        for _ in range(3):
            await register(api)
            assert (await api.post("/api/v1/password-resets", {"email": ADA})).status == 202
        assert len(await mails(store)) == MOST
        async with store.database.pool.acquire() as connection:
            await connection.execute("UPDATE users SET mails_since = now() - interval '61 minutes'")
        again = await ada.post("/api/v1/me/proof")
        assert again.status == 202
        await browse(api, "POST", link_in((await mails(store))[-1]))
        assert (await ada.post("/api/v1/me/proof")).status == 409

    async def test_nobody_reads_the_links_of_others(self, api: Api, store: Store) -> None:
        await register(api)
        [sent] = await mails(store)
        shown = await operator(api).get("/api/v1/messages?channel=email")
        assert [message["content"] for message in shown.body["messages"]] == ["…"]
        path = f"/api/v1/messages/{shown.body['messages'][0]['id']}"
        for answer in (await operator(api).get(path), await operator(api).post(f"{path}/cancel")):
            assert link_in(sent) not in str(answer.body)


class TestWhereTheOperatorHasNoMailAccount:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, smtp_url="", smtp_from="")

    async def test_the_server_that_one_logs_in_to_answers_for_the_address(self, api: Api) -> None:
        made = await api.post("/api/v1/accounts", {"email": ADA, "password": PASSWORD})
        assert made.status == 201
        assert (await api.post("/api/v1/accounts", {"email": ADA, "password": PASSWORD})).status == 409
        ada = await log_in(api, ADA)
        assert (await ada.post("/api/v1/messages", MAIL)).status == 422
        # An open relay answers for nobody.
        await ada.send("PATCH", "/api/v1/me", {"smtp": {"host": "relay.example.com", "port": 25}})
        assert (await ada.post("/api/v1/messages", MAIL)).status == 422
        await ada.send("PATCH", "/api/v1/me", {"smtp": SMTP})
        assert (await ada.post("/api/v1/messages", MAIL)).status == 201
        assert (await ada.post("/api/v1/messages", {**MAIL, "from": "ida@example.com"})).status == 422

    async def test_no_mail_is_promised(self, api: Api) -> None:
        await api.post("/api/v1/accounts", {"email": ADA, "password": PASSWORD})
        ada = await log_in(api, ADA)
        assert (await ada.post("/api/v1/me/proof")).status == 409
        assert (await api.post("/api/v1/password-resets", {"email": ADA})).status == 409
        assert (await browse(api, "POST", "/account/password", email=ADA))[0] == 409


class TestAnotherPassword:
    async def asked(self, api: Api, store: Store, email: str = ADA) -> str:
        """The path of the link that came."""
        before = len(await mails(store, email))
        assert (await api.post("/api/v1/password-resets", {"email": email})).status == 202

        async def came() -> bool:
            return len(await mails(store, email)) > before

        assert await eventually(came)
        return link_in((await mails(store, email))[-1])

    async def test_a_link_is_good_once_and_ends_sessions(self, api: Api, store: Store) -> None:
        ada = await proven(api, store)
        key = await ada.key()
        path = await self.asked(api, store)
        status, page = await browse(api, "GET", path)
        assert (status, 'type="password"' in page) == (200, True)
        assert (await ada.get("/api/v1/me")).status == 200
        for weak, words in (("short", "at least 10"), ("1q2w3e4r5t6y", "tried first"), (ADA, "e-mail address")):
            status, page = await browse(api, "POST", path, password=weak)
            assert status == 422
            assert words in page
        assert (await browse(api, "POST", path, password=NEW_PASSWORD))[0] == 200
        assert (await ada.get("/api/v1/me")).status == 401
        # Keys of a proven account are its user's own.
        assert (await key.get("/api/v1/me")).status == 200
        assert (await browse(api, "POST", path, password="yet another password"))[0] == 404
        assert (await browse(api, "GET", path))[0] == 200  # says only to whom it was sent
        assert (await log_in(api, ADA, NEW_PASSWORD)).email == ADA
        assert (await api.post("/api/v1/tokens", {"email": ADA, "password": PASSWORD})).status == 401

    async def test_it_is_asked_for_on_a_page_too(self, api: Api, store: Store) -> None:
        await register(api)
        assert (await browse(api, "GET", "/account/password"))[0] == 200
        assert (await browse(api, "POST", "/account/password", email=ADA))[0] == 202

        async def came() -> bool:
            return any("/account/password/" in mail for mail in await mails(store))

        assert await eventually(came)

    async def test_whoever_made_an_account_in_anothers_name_loses_it(self, api: Api, store: Store) -> None:
        await register(api)
        mallory = await log_in(api, ADA)
        key = await mallory.key()
        path = await self.asked(api, store)
        assert (await browse(api, "POST", path, password=NEW_PASSWORD))[0] == 200
        assert [(await who.get("/api/v1/me")).status for who in (mallory, key)] == [401, 401]
        ada = await log_in(api, ADA, NEW_PASSWORD)
        assert (await ada.get("/api/v1/me")).body["email_proven_at"] is not None

    async def test_a_disabled_account_gets_none(self, api: Api, store: Store) -> None:
        ada = await proven(api, store)
        path = await self.asked(api, store)
        await operator(api).post(f"/api/v1/users/{ada.id}/disable")
        assert (await browse(api, "POST", path, password=NEW_PASSWORD))[0] == 404

    async def test_the_answer_tells_nothing_in_words_or_time(
        self, api: Api, app: web.Application, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await register(api)
        looked_up, answered = asyncio.Event(), asyncio.Event()
        find = UserStore.find_by_email

        async def slowly(users: UserStore, email: str) -> User | None:
            looked_up.set()
            await answered.wait()
            return await find(users, email)

        monkeypatch.setattr(UserStore, "find_by_email", slowly)
        # They come although nothing was looked up yet: they cannot take longer for one that is there.
        answers = [
            await api.post("/api/v1/password-resets", {"email": email})
            for email in (ADA, "nobody@example.com", "no address")
        ]
        assert {answer.status for answer in answers} == {202}
        assert len({str(answer.body) for answer in answers}) == 1
        await looked_up.wait()
        answered.set()
        await app[ACCOUNTS].proofs.close()

    async def test_another_process_reads_the_link(self, api: Api, store: Store, settings: Settings) -> None:
        await proven(api, store)
        path = await self.asked(api, store)
        async with Api.serving(create_app(settings)) as other:
            assert (await browse(other, "POST", path, password=NEW_PASSWORD))[0] == 200
        assert (await browse(api, "POST", path, password=NEW_PASSWORD))[0] == 404


async def test_mails_about_an_account_go_with_it(api: Api, store: Store) -> None:
    ada = await proven(api, store)
    await register(api)
    await register(api, MALLORY)
    await operator(api).send("DELETE", f"/api/v1/users/{ada.id}")
    await AccountMaintenance(store, every=1, retention=timedelta(0), settled=timedelta(0)).delete()
    assert await mails(store) == []
    assert ADA not in await everything(store)
    assert len(await mails(store, MALLORY)) == 1


class TestPasswords:
    @pytest.mark.parametrize(
        ("password", "right"),
        [
            ("ninechars", False),
            ("x7Kp2mQ9zL", True),
            ("password123", False),
            ("PASSWORD123", False),
            ("1q2w3e4r5t6y", False),
            ("aaaaaaaaaaaa", False),
            ("ababababababab", False),
            ("mallory@example.com", False),
            ("correct horse battery staple", True),
            ("ünïcödé wörds 🐎", True),
            ("x7Kp2mQ9zL" * 102, True),
            ("x7Kp2mQ9zL" * 103, False),
        ],
    )
    async def test_which_ones_are_taken(self, api: Api, password: str, right: bool) -> None:
        answer = await api.post("/api/v1/accounts", {"email": MALLORY, "password": password})
        assert answer.status == (202 if right else 422)
        if right:
            await log_in(api, MALLORY, password)
        else:
            assert answer.faults == [(None, "password")]
            assert password not in str(answer.body)
