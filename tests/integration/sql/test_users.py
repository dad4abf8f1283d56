"""Users: one for each address, changed in parts, their secrets kept sealed and resealed without losing a change."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from sql.api_keys import NewApiKey
from sql.lists import MessageFilter
from sql.store import Store
from sql.users import SECRET_OVERLAP, SealedSecrets
from tests.factories import keep
from tidings.domain.account import Role, Sealed, Sender, SmtpAccount, Tls, User
from tidings.domain.api_key import ApiKey, Scope
from tidings.domain.errors import EmailTakenError
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now

SMTP = SmtpAccount(host="mail.example", port=587, username="ada@mail.example", password=Sealed(b"sealed"))


async def new_user(store: Store, email: str = "ada@example.com", smtp: SmtpAccount | None = None) -> User:
    return await store.users.create(email=email, password_hash="argon2", smtp=smtp)


class TestUsers:
    async def test_a_user_is_found_as_it_was_made(self, store: Store) -> None:
        user_id = new_id()
        made = await store.users.create(
            user_id=user_id,
            email="Ada@Example.com",
            password_hash="argon2",
            role=Role.ADMIN,
            channels=["sms"],
            smtp=SMTP,
        )
        assert (made.id, made.email, made.role, made.channels, made.smtp) == (
            user_id,
            "Ada@Example.com",
            Role.ADMIN,
            ("sms",),
            SMTP,
        )
        assert await store.users.get(user_id) == made
        assert await store.users.find_by_email("aDA@exAMPLE.com") == made

    async def test_a_user_has_nothing_that_was_not_given(self, store: Store) -> None:
        user = await new_user(store)
        assert (user.role, user.channels, user.smtp, user.signs_webhooks) == (Role.USER, None, None, False)

    async def test_nobody_is_found_where_nobody_is(self, store: Store) -> None:
        assert await store.users.get(new_id()) is None
        assert await store.users.find_by_email("ada@example.com") is None
        assert await store.users.update(new_id(), role=Role.ADMIN) is None
        assert await store.users.set_channels(new_id(), None) is None
        assert await store.users.set_smtp(new_id(), SMTP) is None
        assert await store.users.rotate_webhook_secret(new_id(), Sealed(b"new")) is None

    async def test_an_address_is_one_users_only_in_any_case(self, store: Store) -> None:
        await new_user(store, "ada@example.com")
        other = await new_user(store, "bob@example.com")
        with pytest.raises(EmailTakenError):
            await new_user(store, "ADA@example.com")
        with pytest.raises(EmailTakenError):
            await store.users.update(other.id, email="Ada@example.com")

    async def test_what_is_not_given_stays(self, store: Store) -> None:
        before = await new_user(store, smtp=SMTP)
        after = await store.users.update(before.id, email="ada@other.example")
        assert after is not None
        assert after.email == "ada@other.example"
        assert after.updated_at > before.updated_at
        assert (after.password_hash, after.role, after.smtp, after.token_version) == (
            before.password_hash,
            before.role,
            before.smtp,
            before.token_version,
        )

    async def test_a_new_password_makes_older_tokens_void(self, store: Store) -> None:
        before = await new_user(store)
        after = await store.users.update(before.id, password_hash="other")
        assert after is not None
        assert (after.password_hash, after.token_version) == ("other", before.token_version + 1)

    async def test_channels_are_given_and_taken_back(self, store: Store) -> None:
        user = await new_user(store)
        for channels in (("sms", "email"), (), None):
            changed = await store.users.set_channels(user.id, channels)
            assert changed is not None
            assert changed.channels == channels

    async def test_the_right_to_go_before_others_is_given_and_taken_back(self, store: Store) -> None:
        user = await new_user(store)
        assert not user.may_prioritize
        for given in (True, None, False):
            changed = await store.users.update(user.id, may_prioritize=given)
            assert changed is not None
            assert changed.may_prioritize == (given is not False)

    async def test_an_smtp_account_is_replaced_as_a_whole(self, store: Store) -> None:
        user = await new_user(store, smtp=SMTP)
        for smtp in (
            SmtpAccount(host="127.0.0.1", port=25, tls=Tls.NONE),
            SmtpAccount(host="127.0.0.1", port=2465, tls=Tls.IMPLICIT),
            None,
        ):
            changed = await store.users.set_smtp(user.id, smtp)
            assert changed is not None
            assert changed.smtp == smtp

    async def test_no_representation_shows_a_secret(self, store: Store) -> None:
        user = await new_user(store, smtp=SMTP)
        await store.users.rotate_webhook_secret(user.id, Sealed(b"sealed"))
        [sender] = (await store.users.senders([user.id])).values()
        for shown in (repr(user), repr(sender), str(SMTP)):
            assert "argon2" not in shown
            assert "sealed" not in shown


class TestSecrets:
    async def test_senders_are_read_at_once(self, store: Store) -> None:
        ada = await new_user(store, "ada@example.com", SMTP)
        bob = await new_user(store, "bob@example.com")
        found = await store.users.senders([ada.id, bob.id, new_id()])
        smtp = found[ada.id].smtp
        assert smtp is not None
        assert smtp == msgspec.structs.replace(SMTP, id=smtp.id)
        assert found == {
            ada.id: Sender(id=ada.id, email="ada@example.com", smtp=smtp),
            bob.id: Sender(id=bob.id, email="bob@example.com"),
        }
        assert await store.users.senders([]) == {}

    async def test_the_secret_before_signs_for_another_day(self, store: Store) -> None:
        user = await new_user(store)
        secrets: list[tuple[Sealed | None, Sealed | None]] = []
        for secret in (Sealed(b"one"), Sealed(b"two"), Sealed(b"three")):
            until = await store.users.rotate_webhook_secret(user.id, secret)
            sender = (await store.users.senders([user.id]))[user.id]
            assert until is not None
            assert sender.previous_until == until
            assert abs(until - utc_now() - SECRET_OVERLAP) < timedelta(minutes=1)
            secrets.append((sender.secret, sender.previous_secret))
        assert secrets == [(b"one", None), (b"two", b"one"), (b"three", b"two")]

    async def test_sealed_secrets_come_in_pages(self, store: Store) -> None:
        users = [await new_user(store, f"{n}@example.com", SMTP) for n in range(5)]
        await new_user(store, "without@example.com")
        seen: list[UUID] = []
        while page := await store.users.sealed_secrets(after=seen[-1] if seen else UUID(int=0), limit=2):
            seen += [secrets.id for secrets in page]
        assert seen == [user.id for user in users]

    async def test_a_secret_that_was_changed_meanwhile_is_left_alone(self, store: Store) -> None:
        ada = await new_user(store, "ada@example.com", SMTP)
        bob = await new_user(store, "bob@example.com", SMTP)
        await store.users.rotate_webhook_secret(ada.id, Sealed(b"one"))
        old = await store.users.sealed_secrets(limit=10)
        await store.users.set_smtp(bob.id, SmtpAccount(host="mail.example", port=587, password=Sealed(b"changed")))
        new = [
            SealedSecrets(
                id=secrets.id,
                smtp_password=Sealed(b"resealed"),
                webhook_secret=secrets.webhook_secret and Sealed(b"resealed too"),
                previous_webhook_secret=None,
            )
            for secrets in old
        ]
        assert await store.users.reseal(list(zip(old, new, strict=True))) == 1
        passwords = {secrets.id: secrets.smtp_password for secrets in await store.users.sealed_secrets(limit=10)}
        assert passwords == {ada.id: b"resealed", bob.id: b"changed"}
        assert (await store.users.senders([ada.id]))[ada.id].secret == b"resealed too"


async def new_key(store: Store, user_id: UUID, prefix: str = "tdg_0", **wanted: Any) -> ApiKey:
    new = NewApiKey(**{"name": "ci", "prefix": prefix, "hash": bytes(32), **wanted})
    made = await store.api_keys.create(user_id, new, kept=2, most=4)
    assert made is not None
    return made


class TestApiKeys:
    async def test_a_key_is_found_by_its_prefix(self, store: Store) -> None:
        user = await new_user(store)
        made = await new_key(
            store,
            user.id,
            "tdg_abc",
            hash=bytes(range(32)),
            scopes=[Scope.READ],
            channels=("sms",),
            queues=("night",),
            expires_at=utc_now() + timedelta(days=1),
        )
        assert await store.api_keys.find("tdg_abc") == made
        assert (made.user_id, made.name, made.hash, made.channels) == (user.id, "ci", bytes(range(32)), ("sms",))
        assert (made.role, made.scopes, made.queues) == (Role.USER, frozenset({Scope.READ}), ("night",))
        assert "\\x01" not in repr(made)
        assert await store.api_keys.find("tdg_ab") is None

    async def test_a_key_from_before_keeps_what_it_had(self, store: Store) -> None:
        user = await new_user(store)
        async with store.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO api_keys (id, user_id, name, prefix, hash) VALUES ($1, $2, 'ci', 'tdg_0', $3)",
                new_id(),
                user.id,
                bytes(32),
            )
        key = await store.api_keys.find("tdg_0")
        assert key is not None
        assert (key.role, key.scopes, key.is_limited, key.granted, key.expires_at) == (
            None,
            frozenset(Scope),
            False,
            True,
            None,
        )

    async def test_a_revoked_key_is_listed_and_not_found(self, store: Store) -> None:
        user = await new_user(store)
        keys = [await new_key(store, user.id, f"tdg_{n}") for n in range(2)]
        [revoked] = await store.api_keys.revoke(user.id, keys[0].id)
        assert revoked.revoked_at is not None
        assert await store.api_keys.revoke(user.id, keys[0].id) == [revoked]
        assert await store.api_keys.find("tdg_0") is None
        assert await store.api_keys.list(user.id) == [revoked, keys[1]]

    async def test_a_key_ends_with_the_one_that_made_it(self, store: Store) -> None:
        ada, bob = await new_user(store, "ada@example.com"), await new_user(store, "bob@example.com")
        first = await new_key(store, ada.id, "tdg_0")
        second = await new_key(store, bob.id, "tdg_1", parent_id=first.id)
        third = await new_key(store, bob.id, "tdg_2", parent_id=second.id)
        other = await new_key(store, ada.id, "tdg_3")
        assert [key.id for key in await store.api_keys.revoke(ada.id, first.id)] == [first.id, second.id, third.id]
        assert [await store.api_keys.find(f"tdg_{n}") for n in range(4)] == [None, None, None, other]
        assert all(key.revoked_at for key in await store.api_keys.list(bob.id))

    @pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
    async def test_nor_is_one_good_whose_maker_has_ended_in_the_same_moment(self, store: Store, end: str) -> None:
        user = await new_user(store)
        maker = await new_key(store, user.id, "tdg_0")
        await new_key(store, user.id, "tdg_1", parent_id=maker.id)
        async with store.database.transaction() as connection:
            await connection.execute(f"UPDATE api_keys SET {end} = now() WHERE id = $1", maker.id)
        assert [await store.api_keys.find(f"tdg_{n}") for n in range(2)] == [None, None]

    async def test_there_are_so_many_at_most(self, store: Store) -> None:
        user = await new_user(store)
        gone = await new_key(store, user.id, "tdg_gone", expires_at=utc_now())
        for n in range(4):
            revoked = await new_key(store, user.id, f"tdg_r{n}")
            await store.api_keys.revoke(user.id, revoked.id)
        keys = [await new_key(store, user.id, f"tdg_{n}") for n in range(4)]
        fifth = NewApiKey(name="ci", prefix="tdg_5", hash=bytes(32))
        assert await store.api_keys.create(user.id, fifth, kept=2, most=4) is None
        listed = await store.api_keys.list(user.id)
        assert listed[2:] == keys
        assert len(listed) == 6
        assert gone.id not in {key.id for key in listed}

    async def test_a_key_is_its_users_to_revoke(self, store: Store) -> None:
        ada, bob = await new_user(store, "ada@example.com"), await new_user(store, "bob@example.com")
        key = await new_key(store, ada.id)
        assert await store.api_keys.revoke(bob.id, key.id) == []
        assert await store.api_keys.list(bob.id) == []
        assert await store.api_keys.find("tdg_0") == key

    async def test_a_prefix_is_one_keys_only(self, store: Store) -> None:
        user = await new_user(store)
        await new_key(store, user.id)
        with pytest.raises(asyncpg.UniqueViolationError):
            await new_key(store, user.id, name="cd")

    async def test_use_is_noted_to_the_minute(self, store: Store) -> None:
        user = await new_user(store)
        key = await new_key(store, user.id)
        assert key.last_used_at is None
        await store.api_keys.touch([key.id])
        first = await store.api_keys.find("tdg_0")
        await store.api_keys.touch([key.id])
        assert first is not None
        assert first.last_used_at is not None
        assert await store.api_keys.find("tdg_0") == first


class TestOwnMessages:
    async def test_a_user_lists_their_own(self, store: Store) -> None:
        ada, bob = new_id(), new_id()
        own = await keep(store, 3, user_id=ada)
        await keep(store, 3, user_id=bob)
        await keep(store, 3)
        listed = await store.messages.list(MessageFilter(user_id=ada), before=None, limit=2)
        assert [message.id for message in listed] == own[:0:-1]
        rest = await store.messages.list(MessageFilter(user_id=ada), before=own[1], limit=2)
        assert [message.id for message in rest] == own[:1]
