"""The commands of `tidings user` and `tidings secrets`, their options and their help."""
# ruff: noqa: PLC0415

import asyncio
import sys
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from tidings import settings as configuration
from tidings.domain.account import Role
from tidings.domain.quota import MOST, QuotaChange

smtp = typer.Typer(help="SMTP accounts: send a mail to see whether one works.", no_args_is_help=True)
users = typer.Typer(help="Accounts: add, list, and change who may do what.", no_args_is_help=True)
secrets = typer.Typer(help="Exchange the keys that encrypt users' secrets (SECRET_KEYS).", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The user's e-mail address.")]


class YesOrNo(StrEnum):
    """How a right is given, and taken back."""

    YES = "yes"
    NO = "no"


FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@users.command()
def add(
    *,
    email: Email,
    admin: Annotated[bool, typer.Option("--admin", help="Sees all messages and controls the queues.")] = False,
    password_stdin: FromStdin = False,
) -> None:
    """Make an account."""
    from tidings.cli import users as accounts

    role = Role.ADMIN if admin else Role.USER
    user = asyncio.run(accounts.add(configuration.load(), email, _password(from_stdin=password_stdin), role))
    typer.echo(f"added {user.email} ({user.role})")


@users.command("list")
def list_users(*, as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False) -> None:
    """Show all users."""
    from tidings.cli import users as accounts

    asyncio.run(accounts.show(configuration.load(), as_json=as_json))


@users.command("set-role")
def set_role(*, email: Email, role: Annotated[Role, typer.Argument(help="What the user shall be.")]) -> None:
    """Make a user an admin, or no longer one."""
    from tidings.cli import users as accounts

    user = asyncio.run(accounts.set_role(configuration.load(), email, role))
    typer.echo(f"{user.email} is now {user.role}")


@users.command("set-may-prioritize")
def set_may_prioritize(
    *, email: Email, answer: Annotated[YesOrNo, typer.Argument(help="Whether the user may.")]
) -> None:
    """Let a user send with priority `high` and a `fairness_key`, or no longer."""
    from tidings.cli import users as accounts

    user = asyncio.run(accounts.set_may_prioritize(configuration.load(), email, allowed=answer is YesOrNo.YES))
    typer.echo(f"{user.email} {'may' if user.may_prioritize else 'may not'} prioritize")


Limit = Annotated[int | None, typer.Option(min=0, max=MOST, show_default=False, help="0: no limit.")]


@users.command("set-quota")
def set_quota(
    *,
    email: Email,
    per_second: Limit = None,
    per_day: Limit = None,
    waiting: Limit = None,
    waiting_bytes: Annotated[int | None, typer.Option(min=0, show_default=False, help="0: no limit.")] = None,
) -> None:
    """Give a user limits of their own; those that are left out are as QUOTA_PER_SECOND and the others have it."""
    from tidings.cli import users as accounts

    quota = QuotaChange(per_second=per_second, per_day=per_day, waiting=waiting, waiting_bytes=waiting_bytes)
    user = asyncio.run(accounts.set_quota(configuration.load(), email, quota))
    given = {name: value for name, value in msgspec.structs.asdict(quota).items() if value is not None}
    limits = ", ".join(f"{name.replace('_', ' ')} {value or 'without limit'}" for name, value in given.items())
    typer.echo(f"{user.email} has the quota: {limits or 'as usual'}")


@users.command("set-allowed-from")
def set_allowed_from(
    *,
    email: Email,
    addresses: Annotated[
        list[str] | None, typer.Argument(help="Addresses; @example.com for all of a domain. None: no others.")
    ] = None,
) -> None:
    """Let a user's e-mail be from these addresses besides their own, in place of those allowed before."""
    from tidings.cli import users as accounts

    user = asyncio.run(accounts.set_allowed_from(configuration.load(), email, addresses or []))
    typer.echo(f"{user.email} may send from: {', '.join(user.allowed_from) or 'no other address'}")


@users.command("set-password")
def set_password(*, email: Email, password_stdin: FromStdin = False) -> None:
    """Give a user another password; they have to log in again."""
    from tidings.cli import users as accounts

    user = asyncio.run(accounts.set_password(configuration.load(), email, _password(from_stdin=password_stdin)))
    typer.echo(f"{user.email} has a new password")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


@smtp.command("test")
def try_smtp(
    *,
    to: Annotated[str | None, typer.Argument(help="Whom the mail is to; absent: the user.")] = None,
    user: Annotated[str | None, typer.Option(help="By an account of this user; absent: by SMTP_URL.")] = None,
    account: Annotated[str | None, typer.Option(help="Its name; absent: the default one.")] = None,
) -> None:
    """Send a mail through an SMTP account, and show how far it came."""
    from tidings.cli import smtp as trials

    trial = asyncio.run(trials.try_out(configuration.load(), to=to, email=user, name=account))
    typer.echo(trials.shown(trial))
    if trial.error is not None:
        raise typer.Exit(1)


@secrets.command("new-key")
def new_key() -> None:
    """Print a new key for SECRET_KEYS."""
    from tidings.security.secretbox import new_key as make

    typer.echo(make())


@secrets.command()
def rotate() -> None:
    """Bring every secret in Postgres under the first of SECRET_KEYS."""
    from tidings.cli.secrets import rotate_secrets
    from tidings.runtime.stores import resolve

    rotation = rotate_secrets(resolve(configuration.load()))
    typer.echo(f"{rotation.resealed} of {rotation.users} users with secrets came under the newest key")
