"""The JSON of health."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tidings.observability.reports import Held


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """That the process serves requests."""

    status: str


class HealthAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the stores answer."""

    message: str
    status: str


class Readiness(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a message could be delivered now, and what is missing where it could not."""

    status: str
    checks: dict[str, str]
    held: Annotated[
        Sequence[Held] | None,
        Meta(description="Messages that wait for something else, by reason; absent where there are none."),
    ] = None
    gateway: Annotated[
        str | None, Meta(description="What is wrong with the operator's own gateway; absent where nothing is.")
    ] = None
