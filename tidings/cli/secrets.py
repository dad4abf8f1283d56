"""`tidings secrets`: exchanging the keys that encrypt users' secrets, without a gap.

1. `tidings secrets new-key`, put first in `SECRET_KEYS`; restart every process, which can then read both.
2. `tidings secrets rotate`: every secret in Postgres comes under the newest key.
3. Take the old key out of `SECRET_KEYS` and restart.

A rotation that was cut short is run again: what is under the newest key already is left alone. What a process sealed
with an older key meanwhile (it was not restarted yet) is found by running it once more.
"""

import asyncio
from typing import Final
from uuid import UUID

import msgspec

from sql.store import Store
from sql.users import FIRST, SealedSecrets
from tidings.cli.store import opened
from tidings.domain.account import Sealed
from tidings.domain.errors import SettingsError
from tidings.security.secretbox import Purpose, SecretBox
from tidings.security.webhook_keys import derived_secret
from tidings.settings import Settings

AT_ONCE: Final = 500


class Rotation(msgspec.Struct):
    """How many users' secrets were looked at, and how many have come under the newest key."""

    users: int = 0
    resealed: int = 0


def rotate_secrets(settings: Settings) -> Rotation:
    """Runs a rotation from the command line. Raises SettingsError without keys, UnsealError where one is missing."""
    if not settings.secret_keys:
        raise SettingsError("SECRET_KEYS: must be set, the newest key first")
    return asyncio.run(_rotate(settings))


def operators_webhook_secret(settings: Settings) -> str:
    """What signs the operator's own webhooks. Raises SettingsError where nothing does."""
    if settings.webhook_signing_secret:
        return settings.webhook_signing_secret
    if not settings.secret_keys:
        raise SettingsError("SECRET_KEYS: must be set before a webhook can be signed")
    return derived_secret(settings.secret_keys[0], None)


async def rotate(store: Store, box: SecretBox, *, at_once: int = AT_ONCE) -> Rotation:
    """Brings all that is kept encrypted under the newest key of the box, in batches; each commits by itself.

    Raises UnsealError at the first batch with a secret that no key of the box opens; the batches before it are done.
    """
    rotation = Rotation()
    after: UUID = FIRST
    while page := await store.users.sealed_secrets(after=after, limit=at_once):
        after = page[-1].id
        pairs = [(old, _under_newest_key(old, box)) for old in page]
        stale = [(old, new) for old, new in pairs if new != old]
        rotation.users += len(page)
        if stale:
            rotation.resealed += await store.users.reseal(stale)
    await _rotate_accounts(store, box, at_once)
    await _rotate_gateways(store, box, at_once)
    await _rotate_endpoints(store, box, at_once)
    return rotation


async def _rotate_accounts(store: Store, box: SecretBox, at_once: int) -> None:
    """Those of SMTP accounts, where they did not come under it with their users: a default one follows its user."""

    def again(sealed: Sealed | None, owner: UUID) -> Sealed | None:
        return None if sealed is None else box.reseal(sealed, Purpose.SMTP_PASSWORD, owner)

    after: UUID = FIRST
    while page := await store.smtp_accounts.sealed_secrets(after=after, limit=at_once):
        after = page[-1].id
        pairs = [
            (
                old,
                msgspec.structs.replace(
                    old,
                    password=again(old.password, old.user_id),
                    client_secret=again(old.client_secret, old.user_id),
                    refresh_token=again(old.refresh_token, old.user_id),
                ),
            )
            for old in page
        ]
        if stale := [(old, new) for old, new in pairs if new != old]:
            await store.smtp_accounts.reseal(stale)


async def _rotate_gateways(store: Store, box: SecretBox, at_once: int) -> None:
    """Those of SMS gateways."""
    after: UUID = FIRST
    while page := await store.gateways.sealed(after=after, limit=at_once):
        after = page[-1][0]
        pairs = [(id_, old, box.reseal(old, Purpose.GATEWAY, id_)) for id_, old in page]
        if stale := [pair for pair in pairs if pair[1] != pair[2]]:
            await store.gateways.reseal(stale)


async def _rotate_endpoints(store: Store, box: SecretBox, at_once: int) -> None:
    """Those of webhook endpoints."""

    def again(sealed: Sealed | None, purpose: Purpose, owner: UUID) -> Sealed | None:
        return None if sealed is None else box.reseal(sealed, purpose, owner)

    after: UUID = FIRST
    while page := await store.endpoints.sealed_secrets(after=after, limit=at_once):
        after = page[-1].id
        pairs = [
            (
                old,
                msgspec.structs.replace(
                    old,
                    secret=box.reseal(old.secret, Purpose.WEBHOOK_SECRET, old.id),
                    previous_secret=again(old.previous_secret, Purpose.WEBHOOK_SECRET, old.id),
                    sealed=again(old.sealed, Purpose.ENDPOINT, old.id),
                ),
            )
            for old in page
        ]
        if stale := [(old, new) for old, new in pairs if new != old]:
            await store.endpoints.reseal(stale)


async def _rotate(settings: Settings) -> Rotation:
    async with opened(settings) as store:
        return await rotate(store, SecretBox(settings.secret_keys))


def _under_newest_key(secrets: SealedSecrets, box: SecretBox) -> SealedSecrets:
    def again(sealed: Sealed | None, purpose: Purpose) -> Sealed | None:
        return None if sealed is None else box.reseal(sealed, purpose, secrets.id)

    return SealedSecrets(
        id=secrets.id,
        smtp_password=again(secrets.smtp_password, Purpose.SMTP_PASSWORD),
        webhook_secret=again(secrets.webhook_secret, Purpose.WEBHOOK_SECRET),
        previous_webhook_secret=again(secrets.previous_webhook_secret, Purpose.WEBHOOK_SECRET),
    )
