"""api/receipts/signatures.py, against the vectors of the providers' own libraries where they have some."""

import hashlib
import hmac
from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from multidict import CIMultiDict

from api.receipts.signatures import Signed, is_signed
from tidings.channels.sms.preset import Signature, presets

URL = "https://tidings.example.com/receipts/g/token"
TWILIO = Signature(kind="twilio", credential="auth_token", header="X-Twilio-Signature")
TWILIOS_FIELDS = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
TWILIOS_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"


def signed(headers: dict[str, str], body: bytes = b"", *, url: str = URL, **changes: Any) -> Signed:
    return Signed(
        **{"urls": [url], "headers": CIMultiDict(headers), "body": body, "is_form": False, "is_get": False, **changes}
    )


def form(fields: dict[str, str]) -> bytes:
    return urlencode(fields).encode()


def twilio(given: str, body: bytes, url: str, **changes: Any) -> bool:
    request = signed({"x-twilio-signature": given}, body, url=url, **{"is_form": True, **changes})
    return is_signed(TWILIO, {"auth_token": "12345"}, request)


@pytest.mark.parametrize("port", ["", ":443"])
def test_twilio(port: str) -> None:
    url = TWILIOS_URL.replace(".com/", f".com{port}/")
    assert twilio("RSOYDt4T1cUTdK1PDd93/VVr8B8=", form(TWILIOS_FIELDS), url)
    assert not twilio("RSOYDt4T1cUTdK1PDd93/VVr8B8=", form({**TWILIOS_FIELDS, "Digits": "1235"}), url)
    assert not twilio("RSOYDt4T1cUTdK1PDd93/VVr8B8=", form(TWILIOS_FIELDS), url.replace("foo=1", "foo=2"))
    assert not twilio("", form(TWILIOS_FIELDS), url)


def test_twilio_by_any_url_that_it_may_have_seen() -> None:
    given = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert twilio(given, form(TWILIOS_FIELDS), URL, urls=[URL, TWILIOS_URL])
    assert not twilio(given, form(TWILIOS_FIELDS), URL, urls=[URL, "http://mycompany.com/myapp.php?foo=1&bar=2"])


def test_twilio_with_json() -> None:
    body = b'{"property": "value", "boolean": true}'
    url = f"{TWILIOS_URL}&bodySHA256={hashlib.sha256(body).hexdigest()}"
    given = b64encode(hmac.digest(b"12345", url.encode(), "sha1")).decode()
    assert twilio(given, body, url, is_form=False)
    assert not twilio(given, body + b" ", url, is_form=False)
    bare = b64encode(hmac.digest(b"12345", TWILIOS_URL.encode(), "sha1")).decode()
    assert not twilio(bare, body, TWILIOS_URL, is_form=False), "the body is not signed"


VONAGE = Signature(kind="vonage", credential="signature_secret")
VONAGES = {"a": "1", "b": "2", "timestamp": "1461605396"}


def vonage(request: Signed) -> bool:
    return is_signed(VONAGE, {"signature_secret": "secret"}, request)


def test_vonage() -> None:
    sig = "6af838ef94998832dbfc29020b564830"
    assert vonage(signed({}, form({**VONAGES, "sig": sig}), is_form=True))
    assert vonage(signed({}, form({**VONAGES, "sig": sig.upper()}), is_form=True))
    assert vonage(signed({}, url=f"{URL}?{urlencode({**VONAGES, 'sig': sig})}", is_get=True))
    assert vonage(signed({}, b'{"a":1,"b":"2","timestamp":1461605396,"sig":"%s"}' % sig.encode()))
    assert not vonage(signed({}, form({**VONAGES, "a": "2", "sig": sig}), is_form=True))
    assert not vonage(signed({}, form(VONAGES), is_form=True))
    assert not vonage(signed({}, b"[]"))
    assert not vonage(signed({}, b"[" * 100_000))


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_vonage_by_hmac(algorithm: str) -> None:
    fields = {"text": "a=1&b", "to": "44"}
    sig = hmac.digest(b"secret", b"&text=a_1_b&to=44", algorithm).hex()
    assert vonage(signed({}, form({**fields, "sig": sig}), is_form=True))
    assert not vonage(signed({}, form({**fields, "to": "45", "sig": sig}), is_form=True))


@pytest.mark.parametrize(
    ("query", "fields", "over"),
    [
        ("", {"Status": "delivered", "MessageUUID": "u"}, f"{URL}?MessageUUIDuStatusdelivered.nonce"),
        ("?b=2&a=1", {"Status": "failed"}, f"{URL}?a=1&b=2.Statusfailed.nonce"),
        ("?b=2&a=1", {}, f"{URL}?a=1&b=2.nonce"),
        ("", {}, f"{URL}.nonce"),
    ],
)
def test_plivo(query: str, fields: dict[str, str], over: str) -> None:
    given = b64encode(hmac.digest(b"auth", over.encode(), "sha256")).decode()
    headers = {"X-Plivo-Signature-V3": f"bm9uZQ==,{given}", "X-Plivo-Signature-V3-Nonce": "nonce"}
    receipt = presets()["plivo"].receipt
    assert receipt is not None
    request = signed(headers, form(fields), url=f"{URL}{query}", is_form=True, is_get=not fields)
    assert is_signed(receipt.signature, {"auth_token": "auth"}, request)
    assert not is_signed(receipt.signature, {"auth_token": "other"}, request)


@pytest.mark.parametrize(
    ("preset", "headers", "over"),
    [
        (
            "sinch",
            {
                "x-sinch-webhook-signature-timestamp": "1700000000",
                "x-sinch-webhook-signature-nonce": "01H",
            },
            b'{"a":"{nonce}"}.01H.1700000000',
        ),
        ("android_sms_gateway", {"X-Timestamp": "1700000000"}, b'{"a":"{nonce}"}1700000000'),
    ],
)
def test_hmac(preset: str, headers: dict[str, str], over: bytes) -> None:
    receipt = presets()[preset].receipt
    assert receipt is not None
    signature = receipt.signature
    digest = hmac.digest(b"key", over, "sha256")
    given = digest.hex() if signature.encoding == "hex" else b64encode(digest).decode()
    headers = {**headers, signature.header: given}
    body = b'{"a":"{nonce}"}'
    assert is_signed(signature, {signature.credential: "key"}, signed(headers, body))
    assert not is_signed(signature, {signature.credential: "key"}, signed(headers, body + b" "))
    assert not is_signed(signature, {signature.credential: "other"}, signed(headers, body))
    if signature.encoding == "hex":
        for written in (f"sha256={given}", given.upper()):
            assert is_signed(
                signature, {signature.credential: "key"}, signed({**headers, signature.header: written}, body)
            )


def test_ed25519() -> None:
    private = Ed25519PrivateKey.generate()
    receipt = presets()["telnyx"].receipt
    assert receipt is not None
    given = b64encode(private.sign(b"1700000000|{}")).decode()
    headers = {"telnyx-signature-ed25519": given, "telnyx-timestamp": "1700000000"}
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for key in (b64encode(raw).decode(), raw.hex(), pem.decode()):
        assert is_signed(receipt.signature, {"public_key": key}, signed(headers, b"{}"))
        assert not is_signed(receipt.signature, {"public_key": key}, signed(headers, b"{ }"))
    for broken in ("", "!", "AAAA", "é"):
        changed = {**headers, "telnyx-signature-ed25519": broken}
        assert not is_signed(receipt.signature, {"public_key": raw.hex()}, signed(changed, b"{}"))
    assert not is_signed(receipt.signature, {"public_key": "no key"}, signed(headers, b"{}"))


@pytest.mark.parametrize("preset", sorted(presets()))
def test_without_a_key_nothing_is_compared_and_with_one_nothing_passes_unsigned(preset: str) -> None:
    receipt = presets()[preset].receipt
    assert receipt is not None
    request = signed({}, b"\xff\x00", is_form=True)
    assert is_signed(receipt.signature, {}, request)
    if receipt.signature.kind != "none":
        assert not is_signed(receipt.signature, {receipt.signature.credential: "key"}, request)
