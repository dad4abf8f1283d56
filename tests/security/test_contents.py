"""How much text each channel takes; more is refused with the limit and the size."""

from typing import Any, Final

import msgspec
import pytest

from api.app import create_app
from tests.integration.api.accounts.people import operator
from tests.integration.api.client import MESSAGE, Api
from tidings.channels.sms.parts import parts
from tidings.domain.errors import SettingsError
from tidings.settings import Settings

WEBHOOK: Final = {"channel": "webhook", "recipient": "https://hook.example.com/"}
EMAIL: Final = {"channel": "email", "recipient": "ida@example.com"}
ECHO: Final = {"channel": "echo", "recipient": "log"}
KIB: Final = 1024


async def send(api: Api, body: dict[str, Any]) -> tuple[int, str]:
    answer = await operator(api).post("/api/v1/messages", body)
    if answer.status == 422:
        assert answer.faults == [(None, "content")]
    return answer.status, answer.body.get("detail", "")


@pytest.mark.parametrize(
    ("fits", "too_long", "said"),
    [
        (
            {**WEBHOOK, "content": "x" * 256 * KIB},
            {**WEBHOOK, "content": "x" * (256 * KIB + 1)},
            "262145 bytes",
        ),
        (
            {**WEBHOOK, "content": "ü" * 128 * KIB},
            {**WEBHOOK, "content": "ü" * (128 * KIB + 1)},
            "takes 262144",
        ),
        ({**ECHO, "content": "x" * 64 * KIB}, {**ECHO, "content": "x" * (64 * KIB + 1)}, "takes 65536"),
        ({**MESSAGE, "content": "x" * 1530}, {**MESSAGE, "content": "x" * 1531}, "11 parts"),
        ({**MESSAGE, "content": "ş" * 670}, {**MESSAGE, "content": "ş" * 671}, "may have 10"),
        ({**MESSAGE, "content": "€" * 760}, {**MESSAGE, "content": "€" * 761}, "11 parts"),
        (
            {**EMAIL, "content": "x" * 512 * KIB, "html": "x" * 500 * KIB},
            {**EMAIL, "content": "x" * 512 * KIB, "html": "x" * (512 * KIB + 1)},
            "takes 1048576",
        ),
    ],
)
async def test_what_is_too_long_is_refused(api: Api, fits: dict[str, Any], too_long: dict[str, Any], said: str) -> None:
    assert (await send(api, fits))[0] == 201
    status, detail = await send(api, too_long)
    assert status == 422
    assert said in detail


async def test_the_operator_sets_it(settings: Settings) -> None:
    own = msgspec.structs.replace(settings, max_content_bytes=("webhook=10", "sms=5"), max_sms_parts=1)
    async with Api.serving(create_app(own)) as api:
        assert (await send(api, {**WEBHOOK, "content": "x" * 10}))[0] == 201
        assert await send(api, {**WEBHOOK, "content": "x" * 11}) == (
            422,
            "content has 11 bytes; channel webhook takes 10 (MAX_CONTENT_BYTES)",
        )
        assert (await send(api, {**MESSAGE, "content": "x" * 6}))[0] == 422


@pytest.mark.parametrize("wrong", ["webhook", "webhook=", "=5", "webhook=0", "webhook=-1", "sms=1048577", "sms=1k"])
def test_what_is_no_limit_ends_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="MAX_CONTENT_BYTES"):
        Settings(max_content_bytes=(wrong,))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("x" * 152 + "€" * 5, 2),
        ("x" * 152 + "€" + "x" * 152, 3),  # the escape and its letter stay together
        ("ş" * 70, 1),
        ("ş" * 71, 2),
        ("ş" * 134, 2),
        ("ş" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 66, 2),
        ("😀" * 67, 3),
    ],
)
def test_the_parts_of_a_text_message(text: str, count: int) -> None:
    assert parts(text) == count
