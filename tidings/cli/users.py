"""`tidings user`: accounts, made and changed beside the API, as the first admin has to be.

A running API sees a change within seconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from api.accounts.checks import AccountError, allowed_from, check_email, password_faults
from api.accounts.passwords import Passwords
from sql.deletions import Deletion
from sql.store import Store
from sql.users import UserStore
from tidings.cli.printing import print_json, print_table
from tidings.cli.store import opened
from tidings.domain.account import Role, User
from tidings.domain.audit import Action, Actor, AuditEntry
from tidings.domain.errors import TidingsError
from tidings.domain.ids import new_id
from tidings.domain.quota import QuotaChange
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings

AT_ONCE: Final = 500


class UserError(TidingsError):
    """What was asked for cannot be done to the user."""


async def add(settings: Settings, email: str, password: str, role: Role) -> User:
    """Makes an account, whether registration is open or not. Raises UserError, EmailTakenError."""
    _check_password(password, email)
    async with opened(settings) as store:
        password_hash = await _hash(password)
        async with store.database.together():
            user = await store.users.create(email=_checked(email), password_hash=password_hash, role=role)
            await _record(store, Action.USER_CREATE, user, role=role)
    return user


async def set_role(settings: Settings, email: str, role: Role) -> User:
    """Makes a user an admin, or no longer one. Raises UserError."""
    async with opened(settings) as store:
        return await _update(store, email, {"role": role}, role=role)


async def set_may_prioritize(settings: Settings, email: str, *, allowed: bool) -> User:
    """Gives a user the right to go before others, or takes it back. Raises UserError."""
    async with opened(settings) as store:
        return await _update(store, email, {"may_prioritize": allowed}, may_prioritize=allowed)


async def set_quota(settings: Settings, email: str, quota: QuotaChange) -> User:
    """Gives a user limits of their own; what is None is as the settings have it. Raises UserError."""
    async with opened(settings) as store, store.database.together():
        user = await _find(store.users, email)
        _existing(user if await store.quotas.put(user.id, quota) else None, email)
        await _record(store, Action.USER_CHANGE, user, quota=msgspec.structs.asdict(quota))
    return user


async def set_allowed_from(settings: Settings, email: str, addresses: Sequence[str]) -> User:
    """Lets a user's mail be from these addresses too, and no others. Raises UserError."""
    normal, faults = allowed_from(addresses)
    for fault in faults:
        index = int((fault.field or "").rpartition(".")[2])
        raise UserError(f"{addresses[index]!r} {fault.detail}")
    async with opened(settings) as store:
        user = await _find(store.users, email)
        return _existing(await store.users.set_allowed_from(user.id, normal), email)


async def set_password(settings: Settings, email: str, password: str) -> User:
    """Gives a user another password, which makes every bearer token of theirs void. Raises UserError."""
    _check_password(password, email)
    async with opened(settings) as store:
        return await _update(store, email, {"changed": ["password"]}, password_hash=await _hash(password))


async def _update(store: Store, email: str, detail: Mapping[str, Any], **values: Any) -> User:
    async with store.database.together():
        user = _existing(await store.users.update((await _find(store.users, email)).id, **values), email)
        await _record(store, Action.USER_CHANGE, user, **detail)
    return user


async def _record(store: Store, action: Action, user: User, **detail: Any) -> None:
    entry = AuditEntry(
        id=new_id(),
        actor=Actor.COMMAND_LINE,
        action=action,
        subject=str(user.id),
        owner=user.id,
        detail=detail,
        created_at=utc_now(),
    )
    await store.audit.put(entry)


async def prove(settings: Settings, email: str) -> User:
    """The e-mail address is known to be the user's, so that mail may go out from it. Raises UserError."""
    async with opened(settings) as store, store.database.together():
        user = _existing(await store.users.prove((await _find(store.users, email)).id), email)
        await _record(store, Action.USER_CHANGE, user, email_proven=True)
    return user


async def disable(settings: Settings, email: str) -> User:
    """Ends all that a user can do; their messages wait. Raises UserError, LastAdminError."""
    async with opened(settings) as store, store.database.together():
        user = _existing(await store.users.disable((await _find(store.users, email)).id), email)
        await _record(store, Action.USER_DISABLE, user)
    return user


async def enable(settings: Settings, email: str) -> User:
    """Lets a user act again. Raises UserError."""
    async with opened(settings) as store, store.database.together():
        user = await store.users.enable((await _find(store.users, email)).id)
        if user is None:
            raise UserError(f"user {email} is being deleted, which cannot be taken back")
        await _record(store, Action.USER_ENABLE, user)
    return user


async def delete(settings: Settings, email: str) -> Deletion:
    """Begins to delete a user; the producer goes on. Raises UserError, LastAdminError."""
    async with opened(settings) as store, store.database.together():
        user = await _find(store.users, email)
        deletion = await store.deletions.request(user.id)
        if deletion is None:
            raise UserError(f"user {email} does not exist (any more)")
        await _record(store, Action.USER_DELETE, user)
    return deletion


async def show(settings: Settings, *, as_json: bool) -> None:
    """Prints all users, oldest first; nothing that is secret of them."""
    users: list[User] = []
    async with opened(settings) as store:
        while page := await store.users.page(after=users[-1].id if users else None, limit=AT_ONCE):
            users += page
    if as_json:
        print_json({"users": [_shown(user) for user in users]})
    else:
        print_table(
            ("id", "e-mail", "role", "since (UTC)", "channels", "may prioritize", "state"),
            [_cells(user) for user in users],
        )


def _shown(user: User) -> dict[str, object]:
    shown = {
        name: getattr(user, name)
        for name in ("id", "email", "role", "channels", "proven_at", "disabled_at", "deleting", "created_at")
    }
    return {**shown, "may_prioritize": _prioritizes(user)}


def _prioritizes(user: User) -> bool:
    return user.may_prioritize or user.role is Role.ADMIN


def _cells(user: User) -> Sequence[str]:
    channels = "as usual" if user.channels is None else ", ".join(user.channels) or "none"
    prioritizes = "yes" if _prioritizes(user) else "no"
    return str(user.id), user.email, user.role.value, f"{user.created_at:%Y-%m-%d}", channels, prioritizes, _state(user)


def _state(user: User) -> str:
    if user.deleting:
        return "being deleted"
    return "works" if user.disabled_at is None else "disabled"


async def _find(users: UserStore, email: str) -> User:
    return _existing(await users.find_by_email(_checked(email)), email)


async def _hash(password: str) -> str:
    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


def _checked(email: str) -> str:
    try:
        return check_email(email)
    except AccountError as error:
        raise UserError(f"{email!r} {error}") from None


def _check_password(password: str, email: str) -> None:
    for fault in password_faults(password, email):
        raise UserError(f"the password {fault.detail}")


def _existing(user: User | None, email: str) -> User:
    if user is None:
        raise UserError(f"user {email} does not exist; add it: tidings user add {email}")
    return user
