"""From a decoded request to a message: the checks that types cannot express. Every fault is named."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from api.http.principal import Principal
from api.http.problems import Fault, InvalidError
from api.messages.mail import Faults, kept_mail, mail_bytes, mail_fields, require_open
from api.messages.schemas import MessageRequest
from api.messages.texts import Text
from sql.queues import QueueStore
from tidings.channels.email.addresses import parse_mailbox
from tidings.channels.installed import channel_names, recipients
from tidings.channels.recipient import ContentError, RecipientError
from tidings.domain.errors import SettingsError
from tidings.domain.headers import HIDDEN, HeaderError, is_secret
from tidings.domain.ids import new_id
from tidings.domain.mail_parts import KeptMail
from tidings.domain.message import NewMessage, Priority
from tidings.domain.retry import Delays, RetryDefaults, RetryDelays
from tidings.domain.timestamps import TimestampError, parse_timestamp
from tidings.domain.turns import share_of
from tidings.observability import tracing
from tidings.security.sealed_headers import seal_headers
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings

HORIZON: Final = timedelta(days=3650)
"""How far from now a due time may be, both ways; farther is taken for a mistake of units."""

WEBHOOK: Final = "webhook"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PRIORITIES: Final[dict[str | int, Priority]] = {
    **{priority.name.lower(): priority for priority in Priority},
    **{priority.value: priority for priority in Priority},
}
LONGEST_KNOWN: Final = 256
"""Letters of a recipient that is kept in memory: with up to 4 bytes for each, in two forms, that is 8 MiB in all."""

KNOWN_SECONDS: Final = 5.0
"""How old what a process knows of the queues' retry delays may be."""


class KnownQueues:
    """The queues as this process knows them, each with its retry delays: no round trip for those in use.

    Queues are never removed, so a known name stays good; only an unknown one is worth a query at once.
    """

    def __init__(self, store: QueueStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: Mapping[str, Delays | None] = {}
        self._read_again_at = 0.0

    async def among(self, wanted: Iterable[str]) -> Mapping[str, Delays | None]:
        """All queues by name; read again where one of the wanted is not among them, and now and then."""
        now = self._clock()
        if now >= self._read_again_at or not self._known.keys() >= set(wanted):
            # Set first: requests that come meanwhile do with what is known.
            self._read_again_at = now + KNOWN_SECONDS
            queues = await self._store.list()
            self._known = {queue.name: None if queue.retry is None else queue.retry.delays for queue in queues}
        return self._known

    def changed(self) -> None:
        """A queue was changed through this process."""
        self._read_again_at = 0.0


def to_message(
    request: MessageRequest,
    *,
    queues: Mapping[str, Delays | None],
    retries: RetryDefaults,
    principal: Principal,
    mail_faults: Faults | None = None,
    text: Text | None = None,
) -> NewMessage:
    """The message, with an id, ready for the store; `queues` by name, each with its own retry delays.

    `mail_faults` are those that its account has to do with; `text` is what a text message is made of.

    Raises InvalidError, also for what the principal may not do.
    """
    message_id = new_id()
    # The id's own time, so that a filter on created_at, which the store answers by id, agrees with what is shown.
    created_at = datetime.fromtimestamp((message_id.int >> 80) / 1000, UTC)
    faults: Faults = {**(mail_faults or {}), **(text.faults if text is not None else {})}
    recipient, mail = _recipient_and_mail(request, principal, faults, text)
    # What is past is now: nobody goes before others by an old due time.
    due_at = max(_due_at(request, created_at, faults), created_at)
    expires_at = _expires_at(request, due_at, faults)
    priority = _priority(request, principal, faults)
    content = _content(request, faults)
    if text is not None:
        content = text.content
    if request.subject is not None and _CONTROL.search(request.subject):
        faults["subject"] = "must be one line without control characters"
    if not principal.may_use_queue(request.queue):
        faults["queue"] = "is not among those that this API key is limited to"
    elif request.queue not in queues:
        faults["queue"] = "is not a queue"
    if request.headers:
        try:
            recipients(request.channel).check_headers(request.headers)
        except HeaderError as error:
            faults["headers"] = f"cannot be sent: {error}"
        if hidden := [name for name, value in request.headers.items() if value == HIDDEN and is_secret(name)]:
            faults["headers"] = f"the value of {hidden[0]!r} is what is shown in place of a secret"
    callback_url = _callback_url(request, principal, faults)
    if faults or priority is None:
        raise InvalidError([Fault(field=field, detail=detail) for field, detail in faults.items()])
    delays = request.retry.delays if isinstance(request.retry, RetryDelays) else queues[request.queue]
    tries = request.max_tries or retries.tries(delays, recipients(request.channel).retry_delays)
    return NewMessage(
        id=message_id,
        user_id=principal.user_id,
        queue=request.queue,
        channel=request.channel,
        recipient=recipient,
        subject=request.subject,
        content=content,
        headers=tracing.stamped(request.headers),
        priority=priority,
        max_tries=tries,
        retry_delays=None if delays is None else tuple(delays),
        due_at=due_at,
        expires_at=expires_at,
        created_at=created_at,
        mail_bytes=None if mail is None else mail_bytes(mail),
        account=text.gateway if text is not None else None if request.account is UNSET else request.account,
        sender=None if text is None else text.sender,
        sms_parts=None if text is None else text.parts,
        mail=mail,
        share=share_of(principal.user_id, None if request.fairness_key is UNSET else request.fairness_key),
        callback_url=callback_url,
    )


def sealed(message: NewMessage, settings: Settings) -> NewMessage:
    """The message as it may be stored, its secret headers sealed where there are `SECRET_KEYS`.

    Raises InvalidError if its recipient is not open here or cannot be sealed.
    """
    try:
        stored = recipients(message.channel).seal(
            message.recipient, message.id, settings, operators=message.user_id is None
        )
    except RecipientError as error:
        raise InvalidError([Fault(field="recipient", detail=str(error))]) from error
    except SettingsError as error:
        raise InvalidError([Fault(field="channel", detail="needs SECRET_KEYS, which are not set here")]) from error
    try:
        html = message.mail.parts.html or "" if message.mail is not None else ""
        recipients(message.channel).check_content(message.channel, message.content, html, settings)
    except ContentError as error:
        raise InvalidError([Fault(field="content", detail=str(error))]) from None
    if message.callback_url is not None:
        _require_callback(message.callback_url, message, settings)
    if message.mail is not None:
        require_open(message.mail.parts, settings)
    headers = message.headers
    if headers and settings.secret_keys and any(map(is_secret, headers)):
        headers = seal_headers(headers, message.id, SecretBox(settings.secret_keys))
    if stored == message.recipient and headers is message.headers:
        return message
    return msgspec.structs.replace(message, recipient=stored, headers=headers)


def _require_callback(url: str, message: NewMessage, settings: Settings) -> None:
    try:
        recipients(WEBHOOK).seal(url, message.id, settings, operators=message.user_id is None)
    except RecipientError as error:
        raise InvalidError([Fault(field="callback_url", detail=str(error))]) from error
    except SettingsError as error:
        raise InvalidError([Fault(field="callback_url", detail="needs SECRET_KEYS, which are not set here")]) from error


def _checked(channel: str, recipient: str) -> str:
    recipient = recipient.strip()
    if len(recipient) > LONGEST_KNOWN:
        return recipients(channel).check(recipient)
    return _known(channel, recipient)


@lru_cache(maxsize=4096)
def _known(channel: str, recipient: str) -> str:
    """A phone number costs 10 µs, a fifth of a request, and the same receivers come again and again."""
    return recipients(channel).check(recipient)


def _priority(request: MessageRequest, principal: Principal, faults: Faults) -> Priority | None:
    priority = _PRIORITIES.get(request.priority)
    if priority is None:
        faults["priority"] = "must be high, normal or low (or 0, 1, 2)"
    if not principal.may_prioritize:
        if priority is Priority.HIGH:
            faults["priority"] = "high is a right that an admin gives"
        if request.fairness_key is not UNSET:
            faults["fairness_key"] = "is a right that an admin gives"
    return priority


def _content(request: MessageRequest, faults: Faults) -> str:
    if isinstance(request.content, UnsetType):
        if request.html is UNSET:
            faults["content"] = "is missing"
        return ""
    if "\0" in request.content:
        faults["content"] = "must not contain the character U+0000"
    return request.content


def _recipient_and_mail(
    request: MessageRequest, principal: Principal, faults: Faults, text: Text | None
) -> tuple[str, KeptMail | None]:
    recipient, name = request.recipient if text is None else text.recipient, ""
    if request.channel not in channel_names():
        faults["channel"] = f"must be one of {', '.join(sorted(channel_names()))}"
        return recipient, None
    if not principal.may_use(request.channel):
        faults["channel"] = f"is not among yours, which are: {', '.join(sorted(principal.channels or ())) or 'none'}"
    with_parts = recipients(request.channel).takes_mail_parts
    try:
        if with_parts and recipient.rstrip().endswith(">"):
            mailbox = parse_mailbox(recipient)
            recipient, name = mailbox.email, mailbox.name
        elif text is None:
            recipient = _checked(request.channel, recipient)
    except RecipientError as error:
        faults["recipient"] = str(error)
    if not with_parts:
        fields = [*mail_fields(request), *([] if request.account is UNSET else ["account"])]
        if text is None:
            fields += [name for name in ("gateway", "smart_encoding") if getattr(request, name) is not UNSET]
        elif "from" in fields:
            fields.remove("from")
        faults.update(dict.fromkeys(fields, f"is not for channel {request.channel}"))
        return recipient, None
    fields = [name for name in ("gateway", "smart_encoding") if getattr(request, name) is not UNSET]
    faults.update(dict.fromkeys(fields, f"is not for channel {request.channel}"))
    return recipient, kept_mail(request, name, faults)


def _callback_url(request: MessageRequest, principal: Principal, faults: Faults) -> str | None:
    if isinstance(request.callback_url, UnsetType):
        return None
    if not principal.may_use(WEBHOOK):
        faults["callback_url"] = f"needs channel {WEBHOOK}, which is not among yours"
    try:
        return _checked(WEBHOOK, request.callback_url)
    except RecipientError as error:
        faults["callback_url"] = str(error)
        return None


def _due_at(request: MessageRequest, now: datetime, faults: Faults) -> datetime:
    due_at = _timestamp("due_at", request.due_at, faults) or now
    if abs(due_at - now) > HORIZON:
        faults["due_at"] = "is more than ten years away"
    return due_at


def _expires_at(request: MessageRequest, earliest: datetime, faults: Faults) -> datetime | None:
    expires_at = _timestamp("expires_at", request.expires_at, faults)
    if expires_at is not None and expires_at <= earliest:
        faults["expires_at"] = "must be in the future, and after due_at"
    return expires_at


def _timestamp(field: str, value: str | int | float | None, faults: Faults) -> datetime | None:
    """None where there is none, or none that can be read."""
    try:
        return None if value is None else parse_timestamp(value)
    except TimestampError as error:
        faults[field] = str(error)
        return None
