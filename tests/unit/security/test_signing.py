"""tidings/security/signing.py, and the setting that it serves"""

import json
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from tidings.domain.errors import SettingsError
from tidings.domain.secrets import signing_key
from tidings.security.signing import signature
from tidings.settings import Settings, load

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def secret_of(size: int) -> str:
    return "whsec_" + b64encode(bytes(size)).decode()


def test_the_example_of_the_specification() -> None:
    signed = signature(
        signing_key(SECRET),
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp="1614265330",
        body=b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_reference_library_verifies_it() -> None:
    timestamp = str(int(datetime.now(UTC).timestamp()))
    body = json.dumps({"text": "Grüße"}, ensure_ascii=False).encode()
    signed = signature(signing_key(SECRET), message_id="1", timestamp=timestamp, body=body)
    headers = {"webhook-id": "1", "webhook-timestamp": timestamp, "webhook-signature": signed}
    assert Webhook(SECRET).verify(body, headers) == {"text": "Grüße"}


@pytest.mark.parametrize("size", [24, 32, 64])
def test_keys_of_24_to_64_bytes(size: int) -> None:
    assert signing_key(secret_of(size)) == bytes(size)


@pytest.mark.parametrize(
    "secret", [SECRET.removeprefix("whsec_"), "whsec_", "whsec_%%%", "whsec_ä", secret_of(23), secret_of(65)]
)
def test_a_wrong_secret_ends_the_start_in_one_line_without_it(secret: str) -> None:
    with pytest.raises(SettingsError, match=r"\AWEBHOOK_SIGNING_SECRET: must") as raised:
        load({"WEBHOOK_SIGNING_SECRET": secret})
    assert "\n" not in str(raised.value)
    assert secret == "whsec_" or secret not in str(raised.value)


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(Settings(webhook_signing_secret=SECRET))
