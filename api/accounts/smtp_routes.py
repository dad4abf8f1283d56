"""The own SMTP accounts: several, each with a name, one of them the default; and a mail to oneself through one."""

import re
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import hdrs, web

from api.accounts.me_routes import NO_ACCOUNT, own_id
from api.accounts.smtp_accounts import SmtpAccounts
from api.accounts.smtp_errors import BUSY, NO_SUCH_ACCOUNT, TAKEN, TooManyTrialsError
from api.accounts.smtp_schemas import (
    NAME_PATTERN,
    AccountAnswer,
    AccountList,
    AccountRequest,
    NamedAccountRequest,
    TrialAnswer,
)
from api.audit.record import audit
from api.http.body import answer, read
from api.http.problems import Fault, InvalidError
from api.http.resources import ACCOUNTS
from api.openapi import examples, failures, parameters, request_examples, tags
from api.openapi.operation import Access, Answer, Body, Operations
from sql.smtp_accounts import KeptAccount
from tidings.domain.account import DEFAULT_ACCOUNT
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action

_decoder: Final = msgspec.json.Decoder(AccountRequest)
_named_decoder: Final = msgspec.json.Decoder(NamedAccountRequest)

_own: Final = Operations(
    tag=tags.ACCOUNTS, access=Access.MEMBERS, scope=Scope.ADMIN, whole=True, errors={HTTPStatus.NOT_FOUND: NO_ACCOUNT}
)
_named: Final = Operations(
    tag=tags.ACCOUNTS,
    access=Access.MEMBERS,
    scope=Scope.ADMIN,
    whole=True,
    parameters=(parameters.SMTP_ACCOUNT,),
    errors={HTTPStatus.NOT_FOUND: NO_SUCH_ACCOUNT},
)
_KEPT: Final = Answer("The account as it is now.", AccountAnswer, examples.SMTP_ACCOUNT)
_SECRETS: Final = {HTTPStatus.SERVICE_UNAVAILABLE: failures.NO_SECRET_KEYS}
_TRIED: Final = Answer("How it went.", TrialAnswer, examples.TRIAL)
_TRIALS: Final = {
    HTTPStatus.TOO_MANY_REQUESTS: TooManyTrialsError(600).detail,
    HTTPStatus.SERVICE_UNAVAILABLE: BUSY,
}


@_own(answers=Answer("The accounts.", AccountList, examples.SMTP_ACCOUNTS))
async def list_own(request: web.Request) -> web.Response:
    """Lists the own SMTP accounts, the default first."""
    found = await _accounts(request).list(own_id(request))
    return answer(AccountList(smtp_accounts=[AccountAnswer.of(kept) for kept in found]))


@_own(
    body=Body(_named_decoder, request_examples.SMTP_ACCOUNTS),
    answers={
        HTTPStatus.CREATED: Answer(
            "It is made.", AccountAnswer, examples.SMTP_ACCOUNT, headers={hdrs.LOCATION: "The path of the account."}
        )
    },
    errors={HTTPStatus.CONFLICT: TAKEN, **_SECRETS},
)
async def create(request: web.Request) -> web.Response:
    """Makes an SMTP account; the first one is the default."""
    user_id, wanted = own_id(request), await read(request, _named_decoder)
    kept = await _accounts(request).put(user_id, wanted.name, wanted, replace=False, is_default=wanted.is_default)
    headers: dict[str, str] = {hdrs.LOCATION: f"/api/v1/me/smtp-accounts/{wanted.name}"}
    return answer(await _audited(request, kept), status=HTTPStatus.CREATED, headers=headers)


@_named(body=Body(_decoder, request_examples.SMTP_CHANGES), answers=_KEPT, errors=_SECRETS)
async def put(request: web.Request) -> web.Response:
    """Replaces an SMTP account as a whole, or makes it.

    Mail that it has held goes at once.
    """
    user_id, wanted = own_id(request), await read(request, _decoder)
    kept = await _accounts(request).put(user_id, _new_name(request), wanted, replace=True, is_default=wanted.is_default)
    return answer(await _audited(request, kept))


@_own(body=Body(_decoder, request_examples.SMTP_CHANGES), answers=_KEPT, errors=_SECRETS)
async def put_default(request: web.Request) -> web.Response:
    """Replaces the default SMTP account as a whole, or makes it.

    Mail that it has held goes at once.
    """
    user_id, wanted = own_id(request), await read(request, _decoder)
    accounts = _accounts(request)
    name = await accounts.default_name(user_id) or DEFAULT_ACCOUNT
    kept = await accounts.put(user_id, name, wanted, replace=True, is_default=True)
    return answer(await _audited(request, kept))


@_named(answers=Answer("The account that is deleted.", AccountAnswer, examples.SMTP_ACCOUNT))
async def delete(request: web.Request) -> web.Response:
    """Deletes an SMTP account.

    Mail that was to go by it is held until there is one of that name again.
    """
    deleted = await _accounts(request).delete(own_id(request), request.match_info["name"])
    return answer(await _audited(request, deleted))


@_named(answers=_TRIED, errors=_TRIALS)
async def try_out(request: web.Request) -> web.Response:
    """Sends a mail to oneself through an SMTP account.

    Answers within half a minute how far it came, and what the server said.
    """
    return await _try_out(request, request.match_info["name"])


@_own(answers=_TRIED, errors={**_TRIALS, HTTPStatus.NOT_FOUND: NO_SUCH_ACCOUNT})
async def try_default(request: web.Request) -> web.Response:
    """Sends a mail to oneself through the default SMTP account."""
    return await _try_out(request, None)


async def _try_out(request: web.Request, name: str | None) -> web.Response:
    return answer(await request.app[ACCOUNTS].trials.run(own_id(request), name))


async def _audited(request: web.Request, kept: KeptAccount) -> AccountAnswer:
    detail = {"changed": ["smtp"], "account": kept.account.name}
    await audit(request, Action.USER_CHANGE, own_id(request), detail=detail)
    return AccountAnswer.of(kept)


def _new_name(request: web.Request) -> str:
    name = request.match_info["name"]
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidError([Fault(field="name", detail="must be 1 to 64 letters, digits, dots, dashes or underscores")])
    return name


def _accounts(request: web.Request) -> SmtpAccounts:
    return request.app[ACCOUNTS].smtp
