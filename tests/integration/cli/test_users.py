"""`tidings user`, on a real Postgres"""

import asyncio
import io
import json
from urllib.parse import urlsplit

import pytest
import typer

from api.accounts.passwords import Passwords
from sql.store import Store
from tidings.cli import main
from tidings.domain.account import Role
from tidings.domain.quota import QuotaChange
from tidings.settings import Settings

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_URI", settings.postgres_uri)
    monkeypatch.setenv("REDIS_URI", settings.redis_uri)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, typed: str = f"{PASSWORD}\n") -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    return main(["user", *arguments])


def test_the_first_admin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "add", "--admin", "Root@Example.com", "--password-stdin") == 0
    assert capsys.readouterr().out == "added Root@example.com (admin)\n"
    assert run(monkeypatch, "add", "ada@example.com", "--password-stdin") == 0
    assert capsys.readouterr().out == "added ada@example.com (user)\n"
    assert run(monkeypatch, "list") == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(line[1], line[2]) for line in listed[1:]] == [("Root@example.com", "admin"), ("ada@example.com", "user")]
    assert run(monkeypatch, "list", "--json") == 0
    printed = json.loads(capsys.readouterr().out)["users"]
    assert [(user["email"], user["role"]) for user in printed] == [
        ("Root@example.com", "admin"),
        ("ada@example.com", "user"),
    ]
    assert "argon2" not in str(printed)


def test_a_prompt_asks_twice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def prompt(text: str) -> str:
        asked.append(text)
        return PASSWORD

    monkeypatch.setattr("click.termui.hidden_prompt_func", prompt, raising=False)
    monkeypatch.setattr("typer._click.termui.hidden_prompt_func", prompt, raising=False)
    assert run(monkeypatch, "add", "ada@example.com") == 0
    assert len(asked) == 2
    assert PASSWORD not in "".join(capsys.readouterr())


def test_the_right_to_go_before_others_is_given_and_taken_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "add", "ada@example.com", "--password-stdin")
    for answer, said, listed in (("yes", "may prioritize", True), ("no", "may not prioritize", False)):
        assert run(monkeypatch, "set-may-prioritize", "ada@example.com", answer) == 0
        assert capsys.readouterr().out.endswith(f"ada@example.com {said}\n")
        assert run(monkeypatch, "list", "--json") == 0
        assert json.loads(capsys.readouterr().out)["users"][0]["may_prioritize"] is listed


async def _kept(settings: Settings, email: str) -> tuple[Role, int, bool]:
    store = await Store.connect(settings.postgres_uri, process="test", lease_seconds=10)
    try:
        user = await store.users.find_by_email(email)
    finally:
        await store.close()
    assert user is not None
    passwords = Passwords()
    right = await passwords.verify("another password", user.password_hash)
    passwords.close()
    return user.role, user.token_version, right


def test_role_and_password(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "add", "ada@example.com", "--password-stdin")
    assert run(monkeypatch, "set-role", "ADA@example.com", "admin") == 0
    assert "ada@example.com is now admin" in capsys.readouterr().out
    changed = run(monkeypatch, "set-password", "ada@example.com", "--password-stdin", typed="another password\r\n")
    assert changed == 0
    assert asyncio.run(_kept(settings, "ada@example.com")) == (Role.ADMIN, 1, True)


def test_a_user_is_disabled_enabled_and_proven(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "add", "ada@example.com", "--password-stdin")
    for command, said, disabled in (("disable", "is disabled", True), ("enable", "is enabled", False)):
        assert run(monkeypatch, command, "ada@example.com") == 0
        assert capsys.readouterr().out.endswith(f"ada@example.com {said}\n")
        assert run(monkeypatch, "list", "--json") == 0
        [user] = json.loads(capsys.readouterr().out)["users"]
        assert (user["disabled_at"] is not None) is disabled
    assert run(monkeypatch, "prove", "ada@example.com") == 0
    assert user["proven_at"] is not None


def test_a_user_is_deleted_after_a_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "add", "ada@example.com", "--password-stdin")
    with pytest.raises(typer.Abort):
        run(monkeypatch, "delete", "ada@example.com", typed="n\n")
    assert run(monkeypatch, "enable", "ada@example.com") == 0
    assert run(monkeypatch, "delete", "ada@example.com", "--yes") == 0
    assert "deleting ada@example.com; progress: /api/v1/deletions/" in capsys.readouterr().out
    assert run(monkeypatch, "enable", "ada@example.com") == 2
    assert "is being deleted" in capsys.readouterr().err


def test_the_last_admin_stays(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "add", "ada@example.com", "--admin", "--password-stdin")
    for arguments in (["set-role", "ada@example.com", "user"], ["disable", "ada@example.com"]):
        assert run(monkeypatch, *arguments) == 2
        assert "make somebody else one first" in capsys.readouterr().err


def test_whom_mail_may_be_from(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "add", "ada@example.com", "--password-stdin")
    assert run(monkeypatch, "set-allowed-from", "ada@example.com", "ada.l@Example.org", "@SHOP.example") == 0
    assert "ada@example.com may send from: @shop.example, ada.l@example.org\n" in capsys.readouterr().out
    assert run(monkeypatch, "set-allowed-from", "ada@example.com") == 0
    assert "may send from: no other address" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (["add", "ada", "--password-stdin"], f"{PASSWORD}\n", "'ada' is not an e-mail address"),
        (["add", "bob@example.com", "--password-stdin"], "short\n", "the password must have at least 10 characters"),
        (["add", "bob@example.com", "--password-stdin"], "", "the password must have at least 10 characters"),
        (["add", "ADA@example.com", "--password-stdin"], f"{PASSWORD}\n", "another user has this e-mail address"),
        (["set-role", "bob@example.com", "admin"], "", "bob@example.com does not exist"),
        (["set-role", "ada@example.com", "root"], "", "root"),
        (["set-may-prioritize", "bob@example.com", "yes"], "", "bob@example.com does not exist"),
        (["set-may-prioritize", "ada@example.com", "maybe"], "", "maybe"),
        (["set-allowed-from", "ada@example.com", "a@example.org", "nobody"], "", "'nobody' is not an e-mail address"),
        (
            ["set-password", "bob@example.com", "--password-stdin"],
            f"{PASSWORD}\n",
            "bob@example.com does not exist",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], typed: str, said: str
) -> None:
    run(monkeypatch, "add", "ada@example.com", "--password-stdin")
    capsys.readouterr()
    assert run(monkeypatch, *arguments, typed=typed) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert PASSWORD not in err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "/nowhere"}, "POSTGRES_URI: there is no such database"),
        ({"query": "host=/nowhere"}, "Postgres does not answer"),
    ],
)
def test_a_postgres_that_is_away(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setenv("POSTGRES_URI", urlsplit(settings.postgres_uri)._replace(**change).geturl())
    assert run(monkeypatch, "list") == 2
    assert capsys.readouterr().err.startswith(f"tidings: {said}")


def test_a_quota(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    assert run(monkeypatch, "add", "ada@example.com", "--password-stdin") == 0
    assert run(monkeypatch, "set-quota", "ada@example.com", "--per-second", "200", "--waiting", "0") == 0
    assert capsys.readouterr().out.endswith("has the quota: per second 200, waiting without limit\n")

    async def kept() -> QuotaChange:
        store = await Store.connect(settings.postgres_uri, process="test", lease_seconds=15)
        try:
            user = await store.users.find_by_email("ada@example.com")
            assert user is not None
            return await store.quotas.get(user.id)
        finally:
            await store.close()

    assert asyncio.run(kept()) == QuotaChange(per_second=200, waiting=0)
    assert run(monkeypatch, "set-quota", "ada@example.com") == 0
    assert capsys.readouterr().out == "ada@example.com has the quota: as usual\n"
    assert asyncio.run(kept()) == QuotaChange()
    assert run(monkeypatch, "set-quota", "bob@example.com") == 2
    assert run(monkeypatch, "set-quota", "ada@example.com", "--waiting", "-1") == 2
