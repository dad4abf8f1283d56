"""Whether a delivery report is its provider's: the signatures, and the addresses that it comes from. Pure.

A report that comes again changes nothing, whenever it comes. So no timestamp is compared with the clock: a provider
that was away for an hour still gets through with what it signed then.

- Twilio: HMAC-SHA1 over the URL and the sorted fields (https://www.twilio.com/docs/usage/security). A JSON body is in
  the URL by its hash. Its URL is with or without the port that goes without saying.
- Vonage: over the sorted fields, by the method that the account is set to, which its length tells
  (https://developer.vonage.com/en/getting-started/concepts/signing-messages).
- Plivo: version 3, HMAC-SHA256 over the URL, the sorted fields and a nonce.
- All others: HMAC or Ed25519 over what their preset says.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tidings.channels.sms.preset import Signature
from tidings.channels.sms.receipts import MAX_FIELDS

MAX_SIGNATURE: Final = 1024
"""Characters of a signature, a timestamp or a nonce."""
MAX_OFFERED: Final = 10
"""Signatures of one request: several while a provider changes its key."""
PORTS: Final = {"https": 443, "http": 80}

Fields = Sequence[tuple[str, str]]


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request is signed."""

    urls: Sequence[str]
    """As the provider may have seen it, the likeliest first."""
    headers: Mapping[str, str]
    """By their names, in any case of letters."""
    body: bytes
    is_form: bool
    is_get: bool


def is_signed(signature: Signature, credentials: Mapping[str, str], request: Signed) -> bool:
    """Whether it is signed with the credential that the preset names; True where there is none to compare with."""
    key = credentials.get(signature.credential, "") if signature.kind != "none" else ""
    if not key:
        return True
    try:
        return _VERIFY[signature.kind](signature, key, request)
    except ValueError:  # no base64, no UTF-8, no key, too many fields
        return False


def _twilio(signature: Signature, key: str, request: Signed) -> bool:
    given = _header(request, signature.header or "X-Twilio-Signature")
    fields = _form(request)
    # Of a field that comes several times each value once, in their order.
    text = "".join(f"{name}{value}" for name, value in sorted(set(fields)))
    for url in request.urls:
        if request.body and not request.is_form and not request.is_get and not _has_hash_of_body(url, request.body):
            continue
        for each in _with_and_without_port(url):
            if _same(given, _base64(hmac.digest(key.encode(), (each + text).encode(), "sha1"))):
                return True
    return False


def _has_hash_of_body(url: str, body: bytes) -> bool:
    said = dict(_pairs(urlsplit(url).query)).get("bodySHA256", "")
    return _same(said.lower(), hashlib.sha256(body).hexdigest())


def _with_and_without_port(url: str) -> Iterator[str]:
    yield url
    parts = urlsplit(url)
    usual = PORTS.get(parts.scheme)
    host, _, port = parts.netloc.rpartition(":")
    if port == str(usual):
        yield urlunsplit(parts._replace(netloc=host))
    elif parts.port is None and usual is not None:
        yield urlunsplit(parts._replace(netloc=f"{parts.netloc}:{usual}"))


def _vonage(_signature: Signature, key: str, request: Signed) -> bool:
    fields = dict(_parameters(request))
    given = fields.pop("sig", "").lower()
    text = "".join(f"&{name}={_plain(value)}" for name, value in sorted(fields.items())).encode()
    if len(given) == 2 * hashlib.md5(usedforsecurity=False).digest_size:
        hashed = hashlib.md5(text + key.encode(), usedforsecurity=False).hexdigest()
        return _same(given, hashed) | _same(given, hmac.digest(key.encode(), text, "md5").hex())
    algorithm = {40: "sha1", 64: "sha256", 128: "sha512"}.get(len(given))
    return algorithm is not None and _same(given, hmac.digest(key.encode(), text, algorithm).hex())


def _plain(value: str) -> str:
    return value.replace("&", "_").replace("=", "_")


def _plivo(signature: Signature, key: str, request: Signed) -> bool:
    nonce = _header(request, signature.nonce_header)
    fields = _form(request)
    text = "".join(f"{name}{value}" for name, value in sorted(fields))
    for url in request.urls:
        parts = urlsplit(url)
        query = "&".join(f"{name}={value}" for name, value in sorted(_pairs(parts.query)))
        base = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        if query or fields:
            base += f"?{query}"
        if query and fields:
            base += "."
        expected = _base64(hmac.digest(key.encode(), f"{base}{text}.{nonce}".encode(), "sha256"))
        if any(_same(each, expected) for each in _offered(request, signature.header)):
            return True
    return False


def _hmac(signature: Signature, key: str, request: Signed) -> bool:
    for url in request.urls:
        digest = hmac.digest(key.encode(), _over(signature, request, url), signature.algorithm)
        expected = digest.hex() if signature.encoding == "hex" else _base64(digest)
        for each in _offered(request, signature.header):
            given = each.rpartition("sha256=")[2] if signature.encoding == "hex" else each
            if _same(given.lower() if signature.encoding == "hex" else given, expected):
                return True
    return False


def _ed25519(signature: Signature, key: str, request: Signed) -> bool:
    public = _public_key(key)
    for each in _offered(request, signature.header):
        try:
            given = bytes.fromhex(each) if signature.encoding == "hex" else b64decode(each, validate=True)
            public.verify(given, _over(signature, request, request.urls[0]))
        except (InvalidSignature, Base64Error):
            continue
        return True
    return False


def _public_key(key: str) -> Ed25519PublicKey:
    """From PEM, base64 or hexadecimal digits. Raises ValueError."""
    if key.startswith("-----BEGIN"):
        loaded = load_pem_public_key(key.encode())
        if not isinstance(loaded, Ed25519PublicKey):
            raise ValueError("the key is none of Ed25519")
        return loaded
    raw = bytes.fromhex(key) if len(key) == 64 else b64decode(key, validate=True)  # noqa: PLR2004  (32 bytes in hex)
    return Ed25519PublicKey.from_public_bytes(raw)


_VERIFY: Final = {"twilio": _twilio, "vonage": _vonage, "plivo": _plivo, "hmac": _hmac, "ed25519": _ed25519}


def _over(signature: Signature, request: Signed, url: str) -> bytes:
    """What is signed. The body goes in as it came, whatever it holds: not as a template."""
    text = {
        "timestamp": _header(request, signature.timestamp_header),
        "nonce": _header(request, signature.nonce_header),
        "url": url,
    }
    signed = b""
    rest = signature.over
    while rest:
        before, brace, rest = rest.partition("{")
        name, _, after = rest.partition("}") if brace else ("", "", "")
        signed += before.encode()
        if name == "body":
            signed += request.body
        elif brace:
            signed += text.get(name, f"{{{name}}}").encode()
        rest = after
    return signed


def _parameters(request: Signed) -> Fields:
    """The fields of a form, of a JSON object, or of the query."""
    if request.is_get or not request.body:
        return _pairs(urlsplit(request.urls[0]).query)
    if request.is_form:
        return _form(request)
    try:
        document = msgspec.json.decode(request.body, type=dict[str, str | int | float | bool | None])
    except (msgspec.DecodeError, RecursionError):
        return []
    return [(name, value if isinstance(value, str) else _as_json(value)) for name, value in document.items()]


def _as_json(value: float | bool | None) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def _form(request: Signed) -> Fields:
    return _pairs(request.body.decode()) if request.is_form and not request.is_get else []


def _pairs(text: str) -> Fields:
    return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)


def _header(request: Signed, name: str) -> str:
    value = request.headers.get(name, "") if name else ""
    return value if len(value) <= MAX_SIGNATURE else ""


def _offered(request: Signed, header: str) -> Sequence[str]:
    return [each.strip() for each in _header(request, header).split(",")[:MAX_OFFERED] if each.strip()]


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode()
