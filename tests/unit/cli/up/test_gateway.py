"""The fake gateway."""

from uuid import UUID

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tidings.cli.up.gateway import application, read_error_rate
from tidings.domain.errors import SettingsError


async def test_it_accepts_what_an_sms_gateway_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    async with TestClient(TestServer(application())) as gateway:
        answer = await gateway.post("/", json={"to": "+12025550101", "content": "Hello"})
        assert answer.status == 202
        body = await answer.json()
    assert body["message"] == "Accepted"
    assert UUID(body["messageId"])
    assert capsys.readouterr().out == "gateway: ✓ +12025550101  Hello\n"


async def test_it_refuses_anything_else() -> None:
    async with TestClient(TestServer(application())) as gateway:
        assert (await gateway.post("/", data=b"oops")).status == 400
        assert (await gateway.post("/", json={"to": "+12025550101"})).status == 400


async def test_its_error_rate_can_be_set() -> None:
    async with TestClient(TestServer(application())) as gateway:
        for rate, status in (("1", 503), ("0", 202)):
            assert (await gateway.put("/error-rate", data=rate)).status == 200
            assert (await (await gateway.get("/error-rate")).json()) == {"error_rate": float(rate)}
            answer = await gateway.post("/", json={"to": "+12025550101", "content": "Hello"})
            assert answer.status == status
        assert (await gateway.put("/error-rate", data="often")).status == 400


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "often", ""])
def test_an_error_rate_is_a_share(text: str) -> None:
    with pytest.raises(SettingsError, match="ERROR_RATE"):
        read_error_rate(text)


async def test_what_it_prints_cannot_drive_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    async with TestClient(TestServer(application())) as gateway:
        await gateway.post("/", json={"to": "+12025550101", "content": "\x1b[2J\nforged"})
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert printed.count("\n") == 1
