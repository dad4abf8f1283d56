"""Which channels are installed, by name, and the rules for their recipients.

The API, the CLI and the documents need no more than that: no code that delivers is imported here.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Final

from tidings.channels.recipient import Recipients

CHANNEL_GROUP: Final = "tidings.channels"
RECIPIENT_GROUP: Final = "tidings.recipients"
"""Entry point groups in which a package names its channels, and the rules for their recipients where it has any."""

OPTIONAL: Final[Mapping[str, str]] = {"tidings.channels.apprise.channel": "apprise"}
"""Modules of channels that come with tidings but need a package that does not, with its name."""

_OWN_PACKAGE: Final = "tidings"


@cache
def channel_names() -> frozenset[str]:
    """Names of the channels that are installed, found without importing any of them."""
    return frozenset(point.name for point in channel_points())


def channel_points() -> list[EntryPoint]:
    """The entry points of the channels that are installed, each with what it needs."""
    return [
        point
        for point in entry_points(group=CHANNEL_GROUP)
        if point.module not in OPTIONAL or find_spec(OPTIONAL[point.module])
    ]


@cache
def recipients(channel: str) -> Recipients:
    """The rules for the recipients of a channel, whether or not it is installed.

    Raises what the code of another package raises: with the default rules instead, a secret could be stored in clear.
    """
    point = chosen(entry_points(group=RECIPIENT_GROUP, name=channel)).get(channel)
    if point is None:
        return Recipients()
    rules = point.load()()
    if not isinstance(rules, Recipients):
        raise TypeError(f"{point.value} is not a tidings.channels.Recipients")
    return rules


def chosen(points: Iterable[EntryPoint]) -> dict[str, EntryPoint]:
    """One entry point for each name: other packages' before ours, then in alphabetical order."""
    order = sorted(points, key=lambda point: (_package(point) == _OWN_PACKAGE, _package(point), point.value))
    return {point.name: point for point in reversed(order)}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else ""
