"""The JSON of holds."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tidings.domain.message import Hold


class HoldList(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoints that are held, those that concern everybody first, then the newest."""

    holds: Sequence[Hold]


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that was ended."""

    hold: Hold
    messages: Annotated[
        int,
        Meta(description="Messages that go in a few seconds; of very many, the others follow within some minutes."),
    ]
