"""The quotas of users: what they are, and whether more may be accepted.

In memory, for users that were active: their limits (for some seconds), what was leased of their rate, and the last
count of what they use. A crash loses all of it, and none of it is needed.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Final, Self
from uuid import UUID, uuid5

import msgspec
from redis.asyncio import Redis

from api.accounts.recent import Recent
from api.http.principal import Principal
from api.quotas.counts import Counts, Usage, day_seconds
from api.quotas.errors import OverQuotaError, TooLargeForQuotaError
from api.quotas.leases import Bucket, Leases
from sql.quotas import QuotaStore
from tidings.domain.account import Role
from tidings.domain.message import NewMessage
from tidings.domain.quota import BURST_SECONDS, DAY_SECONDS, Quota, QuotaChange, Use
from tidings.settings import Settings

LIFE_SECONDS: Final = 5.0
"""How long limits are cached: a change that another process made takes effect then."""
MOST: Final = 10_000
UNLIMITED: Final = Quota()


class Account(msgspec.Struct):
    """What is known of an active user here."""

    usage: Usage
    bucket: Bucket
    """Of messages."""
    changes: Bucket
    """Of what else they change."""

    @classmethod
    def new(cls, user_id: UUID, rate: int) -> Self:
        """One of which nothing is known."""
        # Under an id of its own, since a flood of messages must not keep anybody from cancelling them.
        return cls(Usage(user_id), Bucket(user_id, rate), Bucket(uuid5(user_id, "changes"), rate))


class Taken(msgspec.Struct):
    """What was taken of a quota for messages that are about to be kept; `settle` ends it."""

    quotas: "Quotas"
    account: Account
    quota: Quota
    sizes: Sequence[int]

    def settle(self, kept: Sequence[bool]) -> None:
        """Gives back what was not kept."""
        count = sum(kept)
        size = sum(size for size, was_kept in zip(self.sizes, kept, strict=True) if was_kept)
        self.account.usage.settle(len(self.sizes), sum(self.sizes), kept=count, kept_size=size)
        if self.quota.per_second and count < len(self.sizes):
            self.quotas.leases.give_back(self.account.bucket, len(self.sizes) - count)


class Quotas:
    """All users' quotas, as one API process keeps them."""

    def __init__(
        self, store: QuotaStore, redis: Redis, usual: Quota, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.leases = Leases(redis, clock=clock)
        self._store = store
        self._counts = Counts(store, self.leases, clock=clock)
        self._usual = usual
        self._clock = clock
        self._given: Recent[UUID, QuotaChange] = Recent(life=LIFE_SECONDS, most=MOST, clock=clock)
        self._accounts: dict[UUID, Account] = {}

    async def of(self, user_id: UUID, role: Role) -> Quota:
        """The limits of a user; admins have those that they were given."""
        given = await self._given.get_or(user_id, self._store.get)
        return (given or QuotaChange()).over(UNLIMITED if role is Role.ADMIN else self._usual)

    async def give(self, user_id: UUID, wanted: QuotaChange) -> bool:
        """Replaces what a user was given. Returns whether there is such a user."""
        return await self._store.put(user_id, wanted)

    def forget(self, user_id: UUID) -> None:
        """The user was given other limits."""
        self._given.forget(user_id)
        self._accounts.pop(user_id, None)

    async def use(self, user_id: UUID, quota: Quota) -> Use:
        """What a user has used, a moment ago."""
        usage = self._account(user_id, quota).usage
        if not self._counts.is_recent(usage):
            await self._counts.count(usage, quota)
        day, waiting, free = usage.left(quota)
        return Use(
            per_day=_used(quota.per_day, day),
            waiting=_used(quota.waiting, waiting),
            waiting_bytes=_used(quota.waiting_bytes, free),
            day_began=usage.use.day_began,
        )

    async def take(self, principal: Principal, sizes: Sequence[int]) -> Taken | None:
        """Takes messages of these sizes in bytes, all or none; None for who has no quota.

        Raises OverQuotaError, TooLargeForQuotaError, and as the store does while Postgres is away.
        """
        if principal.user_id is None:
            return None
        quota = await self.of(principal.user_id, principal.role)
        if quota == UNLIMITED:
            return None
        count, size = len(sizes), sum(sizes)
        if 0 < quota.waiting_bytes < size:
            raise TooLargeForQuotaError(quota.waiting_bytes)
        if count > min(quota.per_day or count, quota.waiting or count):
            raise TooLargeForQuotaError(None)
        account = self._account(principal.user_id, quota)
        if not await self._counts.room(account.usage, quota, count, size):
            raise self._over(account, quota, count, size)
        account.usage.reserve(count, size)
        wait = math.inf
        try:
            wait = await self.leases.take(account.bucket, count) if quota.per_second else 0.0
        finally:
            if wait:
                account.usage.settle(count, size, kept=0, kept_size=0)
        if wait:
            detail = f"your quota is {quota.per_second} messages a second, {quota.burst} at once"
            raise OverQuotaError(detail, math.ceil(wait), fields=self.fields(account, quota))
        return Taken(self, account, quota, sizes)

    async def take_change(self, principal: Principal) -> dict[str, str]:
        """Takes one change of anything but messages, of which there may be as many as messages per second.

        Returns the header fields that say what is left; none for who has no quota. Raises OverQuotaError.
        """
        if principal.user_id is None:
            return {}
        quota = await self.of(principal.user_id, principal.role)
        if not quota.per_second:
            return {}
        bucket = self._account(principal.user_id, quota).changes
        wait = await self.leases.take(bucket, 1)
        policy, left = self._rate("changes", bucket, unit="changes")
        fields = {"RateLimit-Policy": policy, "RateLimit": left}
        if wait:
            detail = f"your quota is {quota.per_second} changes a second, {quota.burst} at once"
            raise OverQuotaError(detail, math.ceil(wait), fields=fields)
        return fields

    async def part(self, principal: Principal) -> int | None:
        """How many messages make a tenth of a burst, and fit; None for who has no quota."""
        quota = UNLIMITED if principal.user_id is None else await self.of(principal.user_id, principal.role)
        limits = [limit for limit in (quota.burst // 10, quota.per_day, quota.waiting) if limit]
        return max(1, min(limits)) if limits else None

    def fields(self, account: Account, quota: Quota) -> dict[str, str]:
        """The header fields that say what the limits are and what is left (draft-ietf-httpapi-ratelimit-headers-11)."""
        policies: list[str] = []
        left: list[str] = []
        day, waiting, free = (_shown(value) for value in account.usage.left(quota))
        if quota.per_second:
            policy, remaining = self._rate("rate", account.bucket)
            policies.append(policy)
            left.append(remaining)
        if quota.per_day:
            policies.append(f'"day";q={quota.per_day};w={DAY_SECONDS}')
            left.append(f'"day";r={day};t={day_seconds(account.usage.use)}')
        if quota.waiting:
            policies.append(f'"waiting";q={quota.waiting}')
            left.append(f'"waiting";r={waiting}')
        if quota.waiting_bytes:
            policies.append(f'"waiting-bytes";q={quota.waiting_bytes};qu="content-bytes"')
            left.append(f'"waiting-bytes";r={free}')
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}

    async def close(self) -> None:
        """Ends what is under way."""
        await self._counts.close()
        await self.leases.close()

    def _rate(self, name: str, bucket: Bucket, *, unit: str | None = None) -> tuple[str, str]:
        """Of a bucket: its policy, and what is left of it."""
        remaining = _shown(bucket.remaining(self._clock()))
        policy = f'"{name}";q={bucket.burst};w={BURST_SECONDS}' + (f';qu="{unit}"' if unit else "")
        return policy, f'"{name}";r={remaining};t={math.ceil((bucket.burst - remaining) / bucket.rate)}'

    def _account(self, user_id: UUID, quota: Quota) -> Account:
        account = self._accounts.pop(user_id, None)
        if account is None:
            account = Account.new(user_id, quota.per_second)
            while len(self._accounts) >= MOST:
                del self._accounts[next(iter(self._accounts))]
        if account.bucket.rate != quota.per_second:
            new = Account.new(user_id, quota.per_second)
            account.bucket, account.changes = new.bucket, new.changes
        self._accounts[user_id] = account
        return account

    def _over(self, account: Account, quota: Quota, count: int, size: int) -> OverQuotaError:
        """Which limit is in the way. What waits goes at its own pace; a second is worth waiting."""
        day, waiting, free = account.usage.left(quota)
        seconds = 1
        if count > day:
            detail, seconds = f"your quota is {quota.per_day} messages in 24 hours", day_seconds(account.usage.use)
        elif count > waiting:
            detail = f"your quota is {quota.waiting} messages that wait"
        elif size > free:
            detail = f"your quota is {quota.waiting_bytes} bytes that wait"
        else:
            detail = "your quota is being counted"
        return OverQuotaError(detail, seconds, fields=self.fields(account, quota))


def open_quotas(settings: Settings, store: QuotaStore, redis: Redis) -> Quotas:
    """The quotas, with the limits of the settings."""
    usual = Quota(
        per_second=settings.quota_per_second,
        per_day=settings.quota_per_day,
        waiting=settings.quota_waiting,
        waiting_bytes=settings.quota_waiting_bytes,
    )
    return Quotas(store, redis, usual)


def size_of(message: NewMessage) -> int:
    """The bytes that a message takes of what may wait; the store counts the same."""
    size = len(message.content.encode()) + (message.mail_bytes or 0)
    if message.subject is not None:
        size += len(message.subject.encode())
    return size + (len(msgspec.json.encode(message.headers)) if message.headers else 0)


def _used(limit: int, left: float) -> int:
    return limit - int(left) if limit else 0


def _shown(value: float) -> int:
    return 0 if value <= 0 else int(min(value, 2**50))
