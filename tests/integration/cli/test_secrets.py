"""tidings/cli/secrets.py, on a real Postgres"""

from base64 import b64encode

import msgspec
import pytest

from sql.store import Store
from tidings.cli.secrets import Rotation, operators_webhook_secret, rotate, rotate_secrets
from tidings.domain.account import OAuth, Sealed, SmtpAccount
from tidings.domain.errors import SettingsError, UnsealError
from tidings.domain.ids import new_id
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.security.webhook_keys import derived_secret
from tidings.settings import Settings

OLD, NEW = new_key(), new_key()


async def users_with_secrets(store: Store, box: SecretBox, count: int) -> None:
    for number in range(count):
        user_id = new_id()
        await store.users.create(
            user_id=user_id,
            email=f"{number}@example.com",
            password_hash="argon2",
            smtp=SmtpAccount(
                host="mail.example", port=587, password=box.seal(f"password {number}", Purpose.SMTP_PASSWORD, user_id)
            ),
        )
        for secret in ("first", "second"):
            await store.users.rotate_webhook_secret(user_id, box.seal(secret, Purpose.WEBHOOK_SECRET, user_id))


async def test_every_secret_comes_under_the_newest_key(store: Store) -> None:
    await users_with_secrets(store, SecretBox([OLD]), 5)
    assert await rotate(store, SecretBox([NEW, OLD]), at_once=2) == Rotation(users=5, resealed=5)
    newest = SecretBox([NEW])
    kept = await store.users.sealed_secrets(limit=10)
    for number, secrets in enumerate(kept):
        assert secrets.smtp_password is not None
        assert secrets.webhook_secret is not None
        assert secrets.previous_webhook_secret is not None
        assert newest.unseal(secrets.smtp_password, Purpose.SMTP_PASSWORD, secrets.id) == f"password {number}"
        assert newest.unseal(secrets.webhook_secret, Purpose.WEBHOOK_SECRET, secrets.id) == "second"
        assert newest.unseal(secrets.previous_webhook_secret, Purpose.WEBHOOK_SECRET, secrets.id) == "first"
    # Once more, and nothing is written.
    assert await rotate(store, newest, at_once=2) == Rotation(users=5, resealed=0)
    assert await store.users.sealed_secrets(limit=10) == kept


async def test_secrets_of_every_smtp_account_too(store: Store) -> None:
    user = await store.users.create(email="ada@example.com", password_hash="argon2")

    def seal(secret: str) -> Sealed:
        return SecretBox([OLD]).seal(secret, Purpose.SMTP_PASSWORD, user.id)

    oauth = OAuth(
        token_url="https://login.example/token",
        client_id="tidings",
        client_secret=seal("client"),
        refresh_token=seal("refresh"),
    )
    for account in (
        SmtpAccount(name="first", host="mail.example", port=587, oauth=oauth),
        SmtpAccount(name="second", host="mail.example", port=587, password=seal("second")),
    ):
        await store.smtp_accounts.put(user.id, account)
    await rotate(store, SecretBox([NEW, OLD]), at_once=1)
    first, second = (kept.account for kept in await store.smtp_accounts.list(user.id))
    assert first.oauth is not None
    sealed = (first.oauth.client_secret, first.oauth.refresh_token, second.password)
    opened = [SecretBox([NEW]).unseal(each, Purpose.SMTP_PASSWORD, user.id) for each in sealed if each is not None]
    assert opened == ["client", "refresh", "second"]


async def test_a_rotation_that_was_cut_short_is_run_again(store: Store) -> None:
    await users_with_secrets(store, SecretBox([OLD]), 3)
    foreign = new_id()
    await store.users.create(
        user_id=foreign,
        email="foreign@example.com",
        password_hash="argon2",
        smtp=SmtpAccount(host="mail.example", port=587, password=Sealed(b"of another key")),
    )
    with pytest.raises(UnsealError):
        await rotate(store, SecretBox([NEW, OLD]), at_once=2)
    await store.users.set_smtp(foreign, None)
    assert await rotate(store, SecretBox([NEW, OLD]), at_once=2) == Rotation(users=3, resealed=1)


def test_the_command_needs_keys(settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"^SECRET_KEYS: must be set"):
        rotate_secrets(msgspec.structs.replace(settings, secret_keys=()))


def test_the_command_opens_the_store_by_itself(settings: Settings) -> None:
    assert rotate_secrets(msgspec.structs.replace(settings, secret_keys=(NEW,))) == Rotation()


def test_the_operators_webhook_secret_is_the_one_set_or_the_one_derived() -> None:
    key, given = new_key(), f"whsec_{b64encode(b'g' * 24).decode()}"
    assert operators_webhook_secret(Settings(secret_keys=(key,), webhook_signing_secret=given)) == given
    assert operators_webhook_secret(Settings(secret_keys=(key,))) == derived_secret(key, None)
    with pytest.raises(SettingsError, match=r"\ASECRET_KEYS: must be set"):
        operators_webhook_secret(Settings())
