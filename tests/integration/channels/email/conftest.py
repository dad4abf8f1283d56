"""The mail server and channels of the tests of channels/smtp."""

from tests.integration.channels.smtp.conftest import authority, channel, make_channel, server

__all__ = ["authority", "channel", "make_channel", "server"]
