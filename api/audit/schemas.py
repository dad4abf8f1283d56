"""The JSON of the audit log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

import msgspec
from msgspec import Meta

from tidings.domain.audit import Action, Actor, AuditEntry


class AuditAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was done."""

    id: UUID
    created_at: datetime
    actor: Annotated[Actor, Meta(description="On whose behalf it was done.")]
    user_id: Annotated[UUID | None, Meta(description="Who did it; null where that is no user.")]
    key_id: Annotated[UUID | None, Meta(description="The API key that they used.")]
    session_id: Annotated[UUID | None, Meta(description="The session that they used.")]
    address: Annotated[str | None, Meta(description="The client address.")]
    action: Action
    subject: Annotated[str | None, Meta(description="The name of a queue, the id of anything else.")]
    owner: Annotated[UUID | None, Meta(description="Whose that is, where it is another user's.")]
    detail: Annotated[Mapping[str, Any], Meta(description="What more there is to say, by action.")]

    @classmethod
    def of(cls, entry: AuditEntry, *, whole: bool) -> Self:
        """An entry out of the store; where it is not shown whole, others' devices are left out."""
        values = msgspec.structs.asdict(entry)
        if not whole:
            values.update(key_id=None, session_id=None, address=None)
        return cls(**values)


class AuditList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the audit log, the newest first."""

    audit: Sequence[AuditAnswer]
    next_cursor: Annotated[str | None, Meta(description="Names the next page; null on the last one.")]
