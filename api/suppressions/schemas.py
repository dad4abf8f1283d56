"""The JSON of suppressions."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.http.lengths import EmailAddress
from tidings.domain.suppression import MAX_DETAIL, Suppression


class SuppressionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address that is to take no more mail."""

    address: Annotated[EmailAddress, Meta(examples=["ida@example.com"])]
    detail: Annotated[
        Annotated[str, Meta(max_length=MAX_DETAIL)] | None, Meta(description="Why, in words of your own.")
    ] = None
    user_id: Annotated[
        UUID | UnsetType | None,
        Meta(description="Whose mail, for admins; null: the operator's. Absent: one's own."),
    ] = UNSET


class SuppressionList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of suppressions, newest first."""

    suppressions: Sequence[Suppression]
    next_cursor: Annotated[str | None, Meta(description="Names the next page; null on the last one.")]
