"""One gateway, made ready: from a message to its request, from its answer to the result.

Compiled once of a preset and the gateway's credentials, which are nowhere in a text that is shown.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.channels.http.judgement import about, describe, is_refusal, judge, parse_retry_after
from tidings.channels.http.transport import Answer, ForbiddenError, Transport, TransportError
from tidings.channels.sms.pages import is_page
from tidings.channels.sms.parts import is_gsm, parts
from tidings.channels.sms.paths import first_text
from tidings.channels.sms.preset import Auth, Preset
from tidings.channels.sms.templates import Values, compile_fields, compile_text, placeholders
from tidings.domain.gateway import Gateway
from tidings.domain.message import Delivery

OF_THE_GATEWAY: Final = frozenset({401, 402, 403, 404, 405, 406, 407, 410, 415, 421, 426})
"""Statuses of an address, a key or an account that is wrong, besides 3xx. Somebody must correct it; no message is to
blame."""
LONGEST_ID: Final = 255
"""Characters of an id that is stored; most are 36 long."""
LONGEST_WORD: Final = 200
"""Characters of what a provider says about an error that are kept with it."""

_TYPES: Final = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
_SAID_SO: Final = "the gateway refused it"


class Outgoing(NamedTuple):
    """A request, ready to go."""

    url: str
    body: bytes
    headers: dict[str, str]


class GatewayClient:
    """Speaks to one gateway. `where` names what to look at where its address or its key is wrong."""

    def __init__(
        self, gateway: Gateway, preset: Preset, credentials: Mapping[str, str], *, where: str, callback: str = ""
    ) -> None:
        self.gateway = gateway
        self._preset = preset
        self._hint = f"this speaks of the SMS gateway, not of the message; see {where}"
        self._page = f"an HTML page, so there may be no SMS gateway at {where}; whether it was delivered is unknown"
        request, auth = preset.request, preset.request.auth
        self._fixed = {**credentials, "callback": callback}
        self._path = compile_text(request.path, lambda value: quote(value, safe=""))
        base = gateway.base_url or preset.base_url
        self._base = base.rstrip("/") if request.path else base
        further = request.with_callback if callback else {}
        self._fields = compile_fields({**request.fields, **further})
        self._unicode_fields = compile_fields({**request.fields, **further, **request.unicode})
        self._is_other_in_unicode = bool(request.unicode)
        used = placeholders([request.fields, request.unicode, request.path, list(request.headers.values())])
        self._numbers_parts = "parts" in used
        self._headers = {name: compile_text(value) for name, value in request.headers.items()}
        self._authorization = _authorization(auth, self._fixed)
        self._query_auth = {auth.name: compile_text(auth.value)(self._fixed)} if auth.kind == "query" else {}
        self._sign = _signer(auth, self._fixed) if auth.kind == "hmac" else None
        self._json = msgspec.json.Encoder()
        errors = preset.errors
        self._kinds: dict[str | int, str] = {
            code: kind
            for kind in ("retry", "rejected", "hold", "pace")
            for code in (*getattr(errors, kind), *getattr(errors, f"statuses_{kind}"))
        }

    async def send(self, delivery: Delivery, transport: Transport, now: Callable[[], datetime]) -> Result:
        """Makes one attempt."""
        outgoing, method = self.request(delivery, now()), self._preset.request.method
        try:
            if method == "POST":
                answer = await transport.post(outgoing.url, body=outgoing.body, headers=outgoing.headers)
            else:
                answer = await transport.post(outgoing.url, body=outgoing.body, headers=outgoing.headers, method=method)
        except ForbiddenError as error:
            # Its owner must correct the address, and no message is to blame.
            return Retry(error=f"{error}: {self._hint}", about=About.ACCOUNT)
        except TransportError as error:
            return Retry(error=str(error), unanswered=error.unanswered, about=about(error))
        return self.result(answer, delivery, now)

    def request(self, delivery: Delivery, now: datetime) -> Outgoing:
        """What is sent for a message."""
        request = self._preset.request
        values = self._values(delivery, now)
        fields = self._fields
        if self._is_other_in_unicode and not is_gsm(delivery.content):
            fields, values["hex"] = self._unicode_fields, delivery.content.encode("utf-16-be").hex().upper()
        filled, url, body = fields(values), f"{self._base}{self._path(values)}", b""
        headers = {} if request.body == "query" else {"Content-Type": _TYPES[request.body]}
        if request.body == "json":
            body = self._json.encode(filled)
        elif request.body == "form":
            body = urlencode(filled).encode()
        query = {**filled, **self._query_auth} if request.body == "query" else self._query_auth
        if query:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"
        headers |= self._authorization
        headers |= {name: value for name, make in self._headers.items() if (value := make(values))}
        if self._sign is not None:
            headers |= self._sign(body, values["timestamp"])
        return Outgoing(url, body, headers)

    def result(self, answer: Answer, delivery: Delivery, now: Callable[[], datetime]) -> Result:
        """What an answer means."""
        document, text = _read(answer.body)
        success, errors = self._preset.success, self._preset.errors
        code = first_text(document, errors.code) or _between(text, errors.code_between)
        accepted = answer.status // 100 == 2 or answer.status in success.statuses  # noqa: PLR2004
        if accepted and self._says(document, text, code) is not False:
            # The gateway has the message, even if no id can be read, and whichever 2xx it says so with.
            found = first_text(document, success.id) or _between(text, success.id_between)
            provider_id = found if 0 < len(found) <= LONGEST_ID and found.isprintable() else None
            if provider_id is None and is_page(answer):
                # Not tried again: it may be a gateway all the same, and the phone would ring twice. Nothing else goes
                # there until somebody has seen to it.
                return Rejected(
                    error=f"{describe(answer.status)}: {self._page}",
                    status_code=answer.status,
                    answer=answer.body,
                    about=About.ACCOUNT,
                    holds=True,
                )
            if provider_id is None and success.own_id:
                provider_id = str(delivery.id)
            return Accepted(provider_message_id=provider_id, status_code=answer.status, answer=answer.body)
        return self._refused(answer, accepted, code, first_text(document, errors.message), now)

    def _says(self, document: Any, text: str, code: str) -> bool | None:
        """Whether the answer itself says that the message is taken; None where it says nothing."""
        success = self._preset.success
        if success.begins:
            return True if text.startswith(success.begins) else False if code else None
        if success.at:
            said = first_text(document, success.at)
            return said in success.equals if said else False if code else None
        return None

    def _refused(
        self, answer: Answer, accepted: bool, code: str, word: str, now: Callable[[], datetime]
    ) -> Rejected | Retry:
        kind = self._kinds.get(code) or self._kinds.get(answer.status)
        if kind is None and accepted:
            kind = self._preset.errors.otherwise
        judged = judge(answer, now, rejects=_speaks_of_the_message)
        said = _one_line(f"{code} {word}")[:LONGEST_WORD]
        error = f"{_SAID_SO if accepted else describe(answer.status)}{f': {said}' if said else ''}"
        if kind is None:
            if isinstance(judged, Retry) and _speaks_of_the_gateway(answer.status):
                kind = "hold"
            elif not isinstance(judged, Accepted):
                return msgspec.structs.replace(judged, error=error)
        status, body = answer.status, answer.body
        if kind == "rejected":
            return Rejected(error=error, status_code=status, answer=body, about=About.MESSAGE)
        if kind == "hold":
            return Retry(error=f"{error}: {self._hint}", status_code=status, answer=body, about=About.ACCOUNT)
        asked = answer.headers.get("Retry-After")
        return Retry(
            error=error,
            delay=None if asked is None else parse_retry_after(asked, now()),
            status_code=status,
            answer=body,
            about=About.PACE if kind == "pace" else About.ENDPOINT,
        )

    def _values(self, delivery: Delivery, now: datetime) -> dict[str, str]:
        sender = self.gateway.sender_of(delivery.sender) or ""
        return {
            **self._fixed,
            "to": delivery.recipient,
            "digits": delivery.recipient.removeprefix("+"),
            "from": sender,
            "from_digits": sender.removeprefix("+"),
            "content": delivery.content,
            "id": str(delivery.id),
            "parts": str(parts(delivery.content)) if self._numbers_parts else "",
            "timestamp": str(int(now.timestamp())),
        }


def _authorization(auth: Auth, credentials: Values) -> dict[str, str]:
    if auth.kind == "basic":
        pair = f"{compile_text(auth.username)(credentials)}:{compile_text(auth.password)(credentials)}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    if auth.kind == "bearer":
        return {"Authorization": f"Bearer {compile_text(auth.token)(credentials)}"}
    named = placeholders(auth.value)
    if auth.kind == "header" and (not named or any(credentials.get(name) for name in named)):
        return {auth.name: compile_text(auth.value)(credentials)}
    return {}


def _signer(auth: Auth, credentials: Values) -> Callable[[bytes, str], dict[str, str]]:
    key = compile_text(auth.key)(credentials).encode()
    before, is_body, after = auth.over.partition("{body}")
    value = auth.value or "{signature}"

    def sign(body: bytes, timestamp: str) -> dict[str, str]:
        signed = before.replace("{timestamp}", timestamp).encode() + (body if is_body else b"")
        digest = hmac.digest(key, signed + after.replace("{timestamp}", timestamp).encode(), auth.algorithm)
        signature = digest.hex() if auth.encoding == "hex" else b64encode(digest).decode()
        headers = {auth.name: compile_text(value)({**credentials, "signature": signature})}
        return {**headers, auth.timestamp_header: timestamp} if auth.timestamp_header else headers

    return sign


def _read(body: bytes) -> tuple[Any, str]:
    """An answer as JSON, or as text where it is none."""
    try:
        return msgspec.json.decode(body), ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, body.decode(errors="replace")


def _between(text: str, around: tuple[str, str]) -> str:
    before, after = around
    if not before or not text.startswith(before):
        return ""
    return text[len(before) :].partition(after)[0] if after else text[len(before) :]


def _speaks_of_the_gateway(status: int) -> bool:
    return status // 100 == 3 or status in OF_THE_GATEWAY  # noqa: PLR2004


def _speaks_of_the_message(status: int) -> bool:
    return is_refusal(status) and not _speaks_of_the_gateway(status)


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
