"""Options that several commands share, with one name, one help and one completion each."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from tidings.cli import complain
from tidings.domain.errors import TidingsError
from tidings.domain.message import Priority
from tidings.domain.states import CancelReason, Status

MAX_KEY_BYTES: Final = 8000
LOCAL: Final = "http://127.0.0.1:8080"
"""Where `tidings up` serves its API by default."""


class OptionError(TidingsError):
    """An option whose value cannot be used."""


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

Json = Annotated[bool, typer.Option("--json", help="Print the response of the API.")]
JsonReport = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def _seen(context: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
    """Warns of a token that every user of the machine sees in its list of processes."""
    source = context.get_parameter_source(parameter.name or "")
    if value and source is not None and source.name == "COMMANDLINE":
        complain("--api-key shows the token to all who may list processes; --api-key-file and API_KEY do not")
    return value


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            token = file.read(MAX_KEY_BYTES + 1).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise OptionError(f"--api-key-file: {path}: {reason}") from None
    if not token or len(token) > MAX_KEY_BYTES or len(token.split()) != 1:
        raise OptionError(f"--api-key-file: {path}: must hold one token and nothing else")
    return token


@dataclass(frozen=True, kw_only=True)
class Api:
    """Which API is asked, and as whom."""

    url: Annotated[str, typer.Option(envvar="TIDINGS_URL", help="Where the API is.")] = LOCAL
    api_key: Annotated[
        str,
        typer.Option(
            envvar="API_KEY", help="Its bearer token; others see it in ps.", show_default=False, callback=_seen
        ),
    ] = ""
    api_key_file: Annotated[
        Path | None, typer.Option(envvar="API_KEY_FILE", help="A file with the token.", show_default=False)
    ] = None

    def __post_init__(self) -> None:
        # The file goes before, since API_KEY may be there for something else.
        if self.api_key_file is not None:
            object.__setattr__(self, "api_key", _read(self.api_key_file))


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message that is to be sent, but for its time."""

    recipient: Annotated[str, typer.Argument(help="Phone number, URL, address or text, as the channel wants it.")]
    content: Annotated[str, typer.Argument(help="What to deliver.")]
    channel: Annotated[str, typer.Option(help="sms, webhook, email, echo, …", autocompletion=_complete_channel)] = "sms"
    subject: Annotated[str | None, typer.Option(help="For channels that have one.")] = None
    queue: Annotated[str | None, typer.Option(help="The queue it goes to.")] = None
    priority: Annotated[str | None, typer.Option(help="high, normal or low.", autocompletion=_complete_priority)] = None
    expires_at: Annotated[
        str | None, typer.Option(help="When it is no longer worth sending: a time, or a duration.")
    ] = None
    max_tries: Annotated[int | None, typer.Option(min=1, max=100, help="Attempts before it is cancelled.")] = None
    idempotency_key: Annotated[
        str | None, typer.Option(help="A name for this message: the same again within a day sends it once.")
    ] = None
    html: Annotated[Path | None, typer.Option(help="E-mail: a file with its HTML.", dir_okay=False)] = None
    attach: Annotated[list[Path] | None, typer.Option(help="E-mail: a file to go with it; repeatable.")] = None
    cc: Annotated[list[str] | None, typer.Option(help="E-mail: who gets it too; repeatable.")] = None
    bcc: Annotated[list[str] | None, typer.Option(help="E-mail: who gets it too, unseen; repeatable.")] = None
    reply_to: Annotated[str | None, typer.Option(help="E-mail: whom its readers reply to.")] = None
    unsubscribe: Annotated[
        bool, typer.Option("--unsubscribe", help="E-mail: with a link by which the recipient takes no more of yours.")
    ] = False
    sender: Annotated[str | None, typer.Option("--from", help="E-mail: 'Name <address>' that it is from.")] = None


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which messages: those that fit all that is given, with times as people type them."""

    status: Annotated[
        str | None,
        typer.Option(help="pending, processing, sent, failed or cancelled.", autocompletion=_complete_status),
    ] = None
    channel: Annotated[str | None, typer.Option(autocompletion=_complete_channel, help="By channel.")] = None
    queue: Annotated[str | None, typer.Option(help="By queue.")] = None
    recipient: Annotated[str | None, typer.Option(help="By recipient.")] = None
    held: Annotated[str | None, typer.Option(help="By what it waits for: breaker, gateway, account, rate, …")] = None
    since: Annotated[str | None, typer.Option(help="Accepted at this time or later; 2h means two hours ago.")] = None
    until: Annotated[str | None, typer.Option(help="Accepted before this time; 1d means a day ago.")] = None


@dataclass(frozen=True, kw_only=True)
class Selection(Filter):
    """Which messages are to be changed: some by id, those of a filter, or all."""

    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]…", help="The messages' ids; or a filter.", show_default=False)
    ] = None
    everything: Annotated[bool, typer.Option("--all", help="Without any filter: all messages.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False


CancelReasonName = Annotated[
    str | None,
    typer.Option(
        "--reason",
        help="Cancelled because: exhausted, rejected, expired, poison, requested, suppressed or deleted.",
        autocompletion=_complete_reason,
    ),
]

Returned = TypeVar("Returned")


def unfolded(command: Callable[..., Returned]) -> Callable[..., Returned]:
    """Gives a command the fields of its dataclass parameters as options of its own.

    typer reads the options of a command from its signature, and knows no groups of them.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: each.annotation for name, each in signature.parameters.items() if is_dataclass(each.annotation)
    }
    fields = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}
    parameters = [
        option for name, each in signature.parameters.items() for option in fields.get(name, {name: each}).values()
    ]

    @functools.wraps(command)
    def run(**given: Any) -> Returned:
        folded = {name: group(**{field: given.pop(field) for field in fields[name]}) for name, group in groups.items()}
        return command(**given, **folded)

    vars(run)["__signature__"] = signature.replace(parameters=parameters)
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run
