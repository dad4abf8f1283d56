"""Channels. What is exported here is for plug-ins and stays stable: docs/channels.md.

Each channel is one folder with two halves: `recipient.py`, pure, which the API uses too, and `channel.py`, which
delivers and is imported by consumers alone. May import the rooms of `tidings` below it, never `sql`. `http/` and
`smtp/` are the clients that channels share.
"""

from tidings.channels.base import About, Accepted, Channel, ChannelContext, Rejected, Result, Retry, Senders
from tidings.channels.http.judgement import about, judge
from tidings.channels.http.transport import Answer, ForbiddenError, Transport, TransportError
from tidings.channels.recipient import ContentError, EndpointKey, RecipientError, Recipients
from tidings.domain.account import Sender
from tidings.domain.headers import HeaderError
from tidings.domain.message import Delivery, Message

__all__ = [
    "About",
    "Accepted",
    "Answer",
    "Channel",
    "ChannelContext",
    "ContentError",
    "Delivery",
    "EndpointKey",
    "ForbiddenError",
    "HeaderError",
    "Message",
    "RecipientError",
    "Recipients",
    "Rejected",
    "Result",
    "Retry",
    "Sender",
    "Senders",
    "Transport",
    "TransportError",
    "about",
    "judge",
]
