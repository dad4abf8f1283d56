"""The channels of a process, found in the entry point group `tidings.channels` and created once.

A channel of another package that cannot be loaded is logged and left out, and its messages wait. One with the name of a
channel that comes with tidings replaces it. If it is broken, there is no fallback to ours: delivering in another way
than the operator chose is worse than waiting.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint

import structlog

from tidings.channels.base import Channel, ChannelContext
from tidings.channels.installed import channel_points, chosen
from tidings.channels.traced import TracedChannel
from tidings.observability import tracing

log = structlog.get_logger(__name__)


class ChannelRegistry:
    """Channels by name."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = dict(channels)

    @classmethod
    def load(cls, context: ChannelContext, points: Iterable[EntryPoint] | None = None) -> "ChannelRegistry":
        """Creates every channel that is installed (or those that `points` name)."""
        channels = {}
        points = channel_points() if points is None else list(points)
        by_name = chosen(points)
        for point in points:
            if point != (taken := by_name[point.name]):
                log.warning("channel replaced", channel=point.name, by=taken.value, instead_of=point.value)
        for name, point in by_name.items():
            try:
                channels[name] = _create(point, context)
            except (Exception, SystemExit) as error:  # code of other packages
                log.exception("channel left out", channel=name, source=point.value, error=str(error))
        return cls(channels)

    def get(self, name: str) -> Channel | None:
        """The channel, or None if none of this name could be loaded."""
        return self._channels.get(name)

    def names(self) -> frozenset[str]:
        return frozenset(self._channels)

    async def close(self) -> None:
        """Closes every channel, but not the transports, which their creator closes."""
        for name, channel in self._channels.items():
            try:
                await channel.close()
            except Exception as error:  # the others must be closed too
                log.exception("channel did not close", channel=name, error=str(error))


def _create(point: EntryPoint, context: ChannelContext) -> Channel:
    kind = point.load()
    channel = kind(context)
    if not isinstance(channel, Channel):
        raise TypeError(f"{point.value} does not create a tidings.channels.Channel")
    spans = tracing.spans()
    return channel if spans is None else TracedChannel(channel, spans)
