"""Options that several commands share, with one name, one help and one completion each."""

from collections.abc import Callable
from typing import Annotated, Final

import typer

from tidings.domain.message import Priority
from tidings.domain.states import CancelReason, Status

LOCAL: Final = "http://127.0.0.1:8080"
"""Where `tidings up` serves its API unless told otherwise."""


def _completing(words: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [word for word in words() if word.startswith(incomplete)]

    return complete


def _channels() -> list[str]:
    from tidings.channels.installed import channel_names  # noqa: PLC0415  (only completion needs them)

    return sorted(channel_names())


_complete_status = _completing(lambda: list(Status))
_complete_reason = _completing(lambda: list(CancelReason))
_complete_priority = _completing(lambda: [priority.name.lower() for priority in Priority])
_complete_channel = _completing(_channels)

Url = Annotated[str, typer.Option(envvar="TIDINGS_URL", help="Where the API is.")]
ApiKey = Annotated[str, typer.Option(envvar="API_KEY", help="Its bearer token.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the API's own answer.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

Recipient = Annotated[str, typer.Argument(help="Phone number, URL, address or text, as the channel wants it.")]
Content = Annotated[str, typer.Argument(help="What to deliver.")]
Channel = Annotated[str, typer.Option(help="sms, webhook, email, echo, …", autocompletion=_complete_channel)]
Subject = Annotated[str | None, typer.Option(help="For channels that have one.")]
QueueName = Annotated[str | None, typer.Option(help="The queue it goes to.")]
PriorityName = Annotated[str | None, typer.Option(help="high, normal or low.", autocompletion=_complete_priority)]
ExpiresAt = Annotated[str | None, typer.Option(help="When it is no longer worth sending: a time, or a duration.")]
MaxTries = Annotated[int | None, typer.Option(min=1, max=100, help="Tries before it is given up.")]
IdempotencyKey = Annotated[
    str | None, typer.Option(help="A name for this message: the same again within a day sends it once.")
]

OfStatus = Annotated[
    str | None,
    typer.Option("--status", help="pending, processing, sent, failed or cancelled.", autocompletion=_complete_status),
]
CancelledFor = Annotated[
    str | None,
    typer.Option(
        "--reason",
        help="Cancelled because: exhausted, rejected, expired, poison or requested.",
        autocompletion=_complete_reason,
    ),
]
OfChannel = Annotated[str | None, typer.Option("--channel", autocompletion=_complete_channel, help="By channel.")]
OfQueue = Annotated[str | None, typer.Option("--queue", help="By queue.")]
OfRecipient = Annotated[str | None, typer.Option("--recipient", help="By recipient.")]
Since = Annotated[str | None, typer.Option(help="Accepted at this time or later; 2h means two hours ago.")]
Until = Annotated[str | None, typer.Option(help="Accepted before this time; 1d means a day ago.")]
