"""What a doctor says of settings and clocks; the stores are looked at in tests/integration/cli/test_doctor.py."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.factories import new_hold
from tests.unit.cli.conftest import Serve
from tidings.cli.doctor import clocks, configuration, examine, findings_of, redis
from tidings.cli.doctor.finding import Finding, Level
from tidings.cli.doctor.redis import Seen
from tidings.domain.states import HeldReason
from tidings.observability.reports import Held, HeldReport
from tidings.settings import Settings

AT = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.__struct_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("offset", "took", "level"),
    [
        (0.0, 0.01, Level.OK),
        (0.9, 0.01, Level.OK),
        (-1.2, 0.01, Level.WARNING),
        (1.2, 0.01, Level.WARNING),
        # An answer that took this long may have been given at any moment of it.
        (2.0, 3.0, Level.OK),
        (-90.0, 0.01, Level.FAILURE),
    ],
)
def test_clocks(offset: float, took: float, level: Level) -> None:
    answered = AT + timedelta(seconds=took)
    theirs = AT + timedelta(seconds=took / 2 + offset)
    found = clocks.compare("clock", theirs, asked=AT, answered=answered)
    assert found.level is level
    assert (found.mend is None) == (level is Level.OK)
    assert ("ahead" if offset > 0 else "behind") in found.says


def looked(**settings: object) -> dict[str, Finding]:
    return {finding.check: finding for finding in configuration.examine(Settings(**settings))}  # type: ignore[arg-type]


def test_usual_settings_are_well_but_for_what_nobody_has_set() -> None:
    found = looked(postgres_uri="postgres://db/x")
    assert {check for check, finding in found.items() if finding.level is not Level.OK} == {
        "secret keys",
        "sms gateway",
    }
    assert all(finding.level is not Level.FAILURE for finding in found.values())


@pytest.mark.parametrize(
    ("settings", "check", "level"),
    [
        ({"host": "0.0.0.0"}, "access", Level.FAILURE),
        ({"host": "0.0.0.0", "secret_key": "x" * 32}, "access", Level.OK),
        ({"lease_seconds": 20.0}, "leases", Level.WARNING),
        ({"redis_ttl": 30}, "leases", Level.WARNING),
        ({"webhook_url": "http://sms.example.com", "webhook_auth_key": "k"}, "sms gateway", Level.WARNING),
        ({"webhook_url": "https://sms.example.com", "webhook_auth_key": "k"}, "sms gateway", Level.OK),
        ({"webhook_url": "http://127.0.0.1:9000", "webhook_auth_key": "k"}, "sms gateway", Level.OK),
        ({"in_flight": 10_000_000}, "open files", Level.WARNING),
    ],
)
def test_settings_that_are_allowed_and_not_wise(settings: dict[str, object], check: str, level: Level) -> None:
    found = looked(**settings)[check]
    assert found.level is level
    assert (found.mend is None) == (level is Level.OK)


async def test_a_setting_that_cannot_be_read_is_all_there_is_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_SECONDS", "soon")
    [found] = await findings_of(url=None)
    assert (found.level, found.mend) == (Level.FAILURE, "set LEASE_SECONDS right")


async def test_stores_that_are_away_are_failures_and_no_secret_is_shown(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_URI", "postgres://user:hush-1@127.0.0.1:1/db")
    monkeypatch.setenv("REDIS_URI", "redis://:hush-2@127.0.0.1:1")
    monkeypatch.setenv("API_KEY", "hush-3")
    api = await serve(lambda _: (200, {"status": "alive"}))
    found = {finding.check: finding for finding in await findings_of(url=api.url)}
    assert [found[check].level for check in ("postgres", "redis", "producer")] == [Level.FAILURE] * 3
    assert found["api"].level is Level.OK
    assert "hush" not in str(found)


def test_a_failure_is_exit_code_1_and_says_how_to_mend_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URI", "ftp://nowhere")
    assert examine(url=None, as_json=False) == 1
    out, err = capsys.readouterr()
    assert "→ set REDIS_URI right" in out
    assert out.endswith("ok: 0, warning: 0, failure: 1\n")
    assert err == ""


def test_what_somebody_must_mend_is_named_with_what_to_do() -> None:
    hold = new_hold()
    report = HeldReport(messages=[Held(HeldReason.GATEWAY, 2000, 61.0), Held(HeldReason.RATE, 5, 1.0)], holds=[hold])
    found = {
        each.check: each
        for each in redis.processes(Seen(True, frozenset({"c"}), (), held=report), busy=True, leads=True)
    }
    assert f"tidings holds release {hold.id}" in (found["hold webhook"].mend or "")
    assert "https://example.com/gone" in found["hold webhook"].says
    assert "HTTP 410 Gone" in found["hold webhook"].says
    assert found["held: gateway"].level is Level.WARNING
    assert "2,000 messages wait" in found["held: gateway"].says
    assert "WEBHOOK_URL" in (found["held: gateway"].mend or "")
    # A limit of the receiver's is nothing to mend.
    assert "held: rate" not in found
