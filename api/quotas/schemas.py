"""Quotas as clients see them."""

from typing import Annotated, Self

import msgspec
from msgspec import Meta

from tidings.domain.quota import Quota, Use


class UseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is used of a quota; what has no limit is not counted, and 0."""

    per_day: Annotated[int, Meta(description="Messages accepted in the last 24 hours.")]
    waiting: Annotated[int, Meta(description="Messages that wait.")]
    waiting_bytes: Annotated[int, Meta(description="Their contents, subjects, headers and files.")]


class QuotaAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a user; 0 is no limit."""

    per_second: Annotated[int, Meta(description="Messages accepted per second.")]
    burst: Annotated[int, Meta(description="Messages accepted at once, after a pause.")]
    per_day: Annotated[int, Meta(description="Messages accepted in 24 hours.")]
    waiting: Annotated[int, Meta(description="Messages that wait.")]
    waiting_bytes: Annotated[int, Meta(description="Bytes of the messages that wait.")]
    used: UseAnswer

    @classmethod
    def of(cls, quota: Quota, use: Use) -> Self:
        """The limits, and what is used of them."""
        return cls(
            per_second=quota.per_second,
            burst=quota.burst,
            per_day=quota.per_day,
            waiting=quota.waiting,
            waiting_bytes=quota.waiting_bytes,
            used=UseAnswer(per_day=use.per_day, waiting=use.waiting, waiting_bytes=use.waiting_bytes),
        )
