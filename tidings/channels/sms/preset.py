"""How one kind of gateway is spoken to: its request, what its answers mean, what its delivery reports look like.

A preset is a TOML file of `presets/`; a gateway that none fits has the same in its own row. Pure, read once.
"""

import tomllib
from functools import cache
from importlib.resources import files
from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tidings.channels.sms.templates import OF_MESSAGE, placeholders

DEFAULT: Final = "plain"
"""The preset of `WEBHOOK_URL`."""

Text = Annotated[str, Meta(max_length=1000)]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-z][a-z0-9_]*$")]
Path = Annotated[str, Meta(max_length=200)]
Code = Annotated[str, Meta(min_length=1, max_length=100)]
Paths = Annotated[tuple[Path, ...], Meta(max_length=10)]
Codes = Annotated[tuple[Code, ...], Meta(max_length=200)]
HttpStatuses = Annotated[tuple[Annotated[int, Meta(ge=200, le=599)], ...], Meta(max_length=100)]
HeaderName = Annotated[str, Meta(min_length=1, max_length=128, pattern="^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One section of a preset."""


class Auth(_Part, frozen=True, kw_only=True):
    """How a request says whose it is; each text may hold the gateway's credentials as placeholders."""

    kind: Literal["none", "basic", "bearer", "header", "query", "hmac"] = "none"
    username: Text = ""
    password: Text = ""
    """Of Basic."""
    token: Text = ""
    """Of Bearer."""
    name: Annotated[str, Meta(max_length=128)] = ""
    """Of the header or of the parameter of the query."""
    value: Text = ""
    """What stands there. Of HMAC: what is around the signature, as `sha256={signature}`."""
    key: Text = ""
    """Of HMAC: what signs."""
    over: Text = "{body}"
    """Of HMAC: what is signed; `{body}` and `{timestamp}` (seconds) stand for those of the request."""
    timestamp_header: Annotated[str, Meta(max_length=128)] = ""
    """Of HMAC: the header that says `{timestamp}`."""
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"


class Request(_Part, frozen=True, kw_only=True):
    """What is sent for one message."""

    method: Literal["POST", "GET", "PUT"] = "POST"
    path: Text = ""
    """Behind the base URL; what its placeholders stand for is percent-encoded."""
    auth: Auth = Auth()
    body: Literal["json", "form", "query"] = "json"
    """`query`: the fields go into the URL, and the body is empty."""
    fields: dict[str, Any] = {}
    """What the body holds. A field whose value is empty is left out."""
    unicode: dict[str, Any] = {}
    """The fields that are others where the text is not in GSM's alphabet; an empty one is left out."""
    with_callback: dict[str, Any] = {}
    """Further fields where delivery reports can come."""
    headers: Annotated[dict[HeaderName, Text], Meta(max_length=20)] = {}


class Success(_Part, frozen=True, kw_only=True):
    """What says that the gateway has taken a message, and under which id."""

    statuses: HttpStatuses = ()
    """Of HTTP; empty: any 2xx."""
    at: Paths = ()
    """Where the answer says so itself; the first one that is there counts."""
    equals: Codes = ()
    """What stands there then."""
    begins: Annotated[str, Meta(max_length=100)] = ""
    """How an answer begins that is no JSON."""
    id: Paths = ()
    """Where the gateway's own id of the message stands."""
    id_between: tuple[str, str] = ("", "")
    """What is around it in an answer that is no JSON."""
    own_id: bool = False
    """Whether the gateway has the message under our id, where it says no other."""


class Errors(_Part, frozen=True, kw_only=True):
    """What a refusal means. A code counts before the HTTP status; without either a list says so, by HTTP."""

    code: Paths = ()
    """Where the provider's code stands."""
    code_between: tuple[str, str] = ("", "")
    """What is around it in an answer that is no JSON."""
    message: Paths = ()
    """Where a word for it stands."""
    retry: Codes = ()
    """Passing: tried again."""
    rejected: Codes = ()
    """About this message, for good."""
    hold: Codes = ()
    """About the gateway's address, credentials or credit: everything waits until it is mended."""
    pace: Codes = ()
    """Too many: slower."""
    statuses_retry: HttpStatuses = ()
    statuses_rejected: HttpStatuses = ()
    statuses_hold: HttpStatuses = ()
    statuses_pace: HttpStatuses = ()
    otherwise: Literal["retry", "rejected"] = "retry"
    """What a code is that is in no list, in an answer that is a success by HTTP."""


class Signature(_Part, frozen=True, kw_only=True):
    """How a delivery report shows whose it is; the token in its URL does in any case."""

    kind: Literal["none", "twilio", "vonage", "hmac", "ed25519", "plivo"] = "none"
    credential: Annotated[str, Meta(max_length=64)] = ""
    """The name of the credential that verifies it; without that credential nothing is verified."""
    header: Annotated[str, Meta(max_length=128)] = ""
    timestamp_header: Annotated[str, Meta(max_length=128)] = ""
    nonce_header: Annotated[str, Meta(max_length=128)] = ""
    over: Text = "{body}"
    """Of HMAC and Ed25519: what is signed, of `{body}`, `{timestamp}`, `{nonce}` and `{url}`."""
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"


class Reply(_Part, frozen=True, kw_only=True):
    """What a delivery report is answered with."""

    status: Annotated[int, Meta(ge=200, le=299)] = 200
    body: Annotated[str, Meta(max_length=1000)] = ""
    content_type: Annotated[str, Meta(max_length=100)] = "text/plain"


class ReceiptFormat(_Part, frozen=True, kw_only=True):
    """What a delivery report looks like."""

    format: Literal["form", "json", "query"] = "json"
    """Where it stands: in a body of either kind, or in the URL. A GET is read by its query in any case."""
    list: Path = ""
    """Where several reports stand; empty: there is one, the whole, or a list that is the whole."""
    id: Paths = ()
    status: Paths = ()
    code: Paths = ()
    detail: Paths = ()
    """What the provider says in words."""
    delivered: Codes = ()
    """Statuses, in any case of letters."""
    undelivered: Codes = ()
    """All others say nothing yet."""
    words: Annotated[dict[Code, Annotated[str, Meta(max_length=200)]], Meta(max_length=500)] = {}
    """A word for each code."""
    signature: Signature = Signature()
    addresses: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=100)] = ()
    """The addresses and networks that reports come from; empty: from anywhere."""
    reply: Reply = Reply()


class Preset(_Part, frozen=True, kw_only=True):
    """A kind of gateway."""

    title: Annotated[str, Meta(max_length=100)] = ""
    docs: Annotated[str, Meta(max_length=500)] = ""
    """Where the provider says what is used here."""
    base_url: Annotated[str, Meta(max_length=2000)] = ""
    """Empty: the gateway says it."""
    credentials: Annotated[tuple[Name, ...], Meta(max_length=20)] = ()
    """Their names, as the provider has them; a gateway must have all."""
    optional: Annotated[tuple[Name, ...], Meta(max_length=20)] = ()
    """Those that it may have too."""
    needs_from: bool = False
    """Whether each message must have a sender."""
    request: Request = Request()
    success: Success = Success()
    errors: Errors = Errors()
    receipt: ReceiptFormat | None = None

    def check(self) -> None:
        """Raises ValueError for what does not fit together, in one line."""
        known = OF_MESSAGE | set(self.credentials) | set(self.optional)
        request, auth = self.request, self.request.auth
        texts = [request.path, request.fields, request.unicode, list(request.headers.values())]
        texts += [request.with_callback, auth.username, auth.password, auth.token, auth.key, auth.value, auth.name]
        unknown = placeholders(texts) - known - ({"signature"} if auth.kind == "hmac" else set())
        unknown |= placeholders(auth.over) - {"body", "timestamp"}
        if unknown:
            raise ValueError(f"{{{min(unknown)}}} stands for nothing: it is no credential of the gateway")
        if clash := OF_MESSAGE & {*self.credentials, *self.optional}:
            raise ValueError(f"{min(clash)!r} is what messages fill in, and no name for a credential")
        if auth.kind in {"header", "query", "hmac"} and not auth.name:
            raise ValueError(f"auth of kind {auth.kind} needs a name")
        if request.body != "json" and any(not isinstance(value, str) for value in request.fields.values()):
            raise ValueError(f"a body of kind {request.body} has texts alone as fields")
        for address in self.receipt.addresses if self.receipt else ():
            ip_network(address, strict=False)
        if bool(self.success.at) != bool(self.success.equals):
            raise ValueError("success: at and equals go together")


def read_preset(text: str) -> Preset:
    """From TOML. Raises ValueError."""
    preset = msgspec.convert(tomllib.loads(text), Preset)
    preset.check()
    return preset


@cache
def presets() -> dict[str, Preset]:
    """All that come with tidings, by name."""
    folder = files("tidings.channels.sms").joinpath("presets")
    found = sorted(each.name for each in folder.iterdir() if each.name.endswith(".toml"))
    return {name.removesuffix(".toml"): read_preset(folder.joinpath(name).read_text()) for name in found}
