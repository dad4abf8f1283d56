"""Links in mails about an account: asked for over the API or on a page, and the pages that they lead to.

Opening a link changes nothing: mail servers and virus scanners open all the links of a mail. Its button does.
"""

from html import escape
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from api.accounts import me_routes as me
from api.accounts.checks import MIN_PASSWORD
from api.accounts.errors import LinkOverError, NoMailsHereError, ProvenAlreadyError, TooManyMailsError
from api.accounts.schemas import MailAnswer, PasswordRequest
from api.http.body import answer, read
from api.http.lengths import MAX_PASSWORD, SMALL_BODY
from api.http.peer import client_address
from api.http.plain_page import field, shown
from api.http.problems import InvalidError, RequestError
from api.http.resources import ACCOUNTS
from api.openapi import failures, request_examples, tags
from api.openapi.operation import Access, Answer, Body, operation, page
from tidings.domain.api_key import Scope
from tidings.security.account_links import LinkKind

_decoder: Final = msgspec.json.Decoder(PasswordRequest)
ASKED: Final = MailAnswer(detail="if there is such an account, a mail with a link is on its way")
SENT: Final = MailAnswer(detail="a mail with a link is on its way")
_ASK: Final = """<p>We send you a link with which you choose another password.</p>
<form method="post">
<label for="email">Your e-mail address</label>
<input id="email" name="email" type="email" maxlength="254" required autocomplete="username">
<button>Send it</button>
</form>"""
_PROVE: Final = """<p>Do you have an account here with the e-mail address <b>{address}</b>?</p>
<form method="post">
<button>Yes, this is my address</button>
</form>"""
_CHOOSE: Final = """{fault}<p>For the account of <b>{address}</b>. All sessions end.</p>
<form method="post">
<input type="hidden" name="email" value="{address}" autocomplete="username">
<label for="password">New password, at least {least} characters</label>
<input id="password" name="password" type="password" minlength="{least}" maxlength="{most}" required
 autocomplete="new-password">
<button>Use it</button>
</form>"""


@operation(
    tags.ACCOUNTS,
    access=Access.MEMBERS,
    scope=Scope.ADMIN,
    whole=True,
    answers={HTTPStatus.ACCEPTED: Answer("It is on its way.", MailAnswer, SENT)},
    errors={
        HTTPStatus.NOT_FOUND: me.NO_ACCOUNT,
        HTTPStatus.CONFLICT: ProvenAlreadyError.detail,
        HTTPStatus.TOO_MANY_REQUESTS: TooManyMailsError.detail,
    },
)
async def send_proof(request: web.Request) -> web.Response:
    """Sends the mail again with the link that proves the own e-mail address."""
    accounts = request.app[ACCOUNTS]
    await accounts.proofs.send_again(await accounts.users.get(me.own_id(request)))
    return answer(SENT, status=HTTPStatus.ACCEPTED)


@operation(
    tags.ACCOUNTS,
    access=Access.EVERYBODY,
    body=Body(_decoder, request_examples.PASSWORD_REQUESTS, max_bytes=SMALL_BODY),
    answers={HTTPStatus.ACCEPTED: Answer("Whether there is such an account or not.", MailAnswer, ASKED)},
    errors={**failures.PASSWORD_CHECK, HTTPStatus.CONFLICT: NoMailsHereError.detail},
)
async def ask_for_password(request: web.Request) -> web.Response:
    """Sends a link with which a user chooses another password.

    It is good once, for an hour.
    """
    await request.app[ACCOUNTS].proofs.admit(str(client_address(request)))
    wanted = await read(request, _decoder)
    await request.app[ACCOUNTS].proofs.ask_for_password(wanted.email, address=str(client_address(request)))
    return answer(ASKED, status=HTTPStatus.ACCEPTED)


@page(access=Access.EVERYBODY)
async def show_asking(_request: web.Request) -> web.Response:
    """A form for the e-mail address."""
    return shown("Another password", _ASK)


@page(access=Access.EVERYBODY)
async def ask(request: web.Request) -> web.Response:
    """Sends the link, where there is such an account."""
    try:
        await request.app[ACCOUNTS].proofs.ask_for_password(
            await field(request, "email") or "", address=str(client_address(request))
        )
    except RequestError as error:
        return _refused(error)
    return shown("Look into your mail", f"<p>{ASKED.detail.capitalize()}.</p>", HTTPStatus.ACCEPTED)


@page(access=Access.EVERYBODY)
async def show_proof(request: web.Request) -> web.Response:
    """Shows a button."""
    try:
        link = request.app[ACCOUNTS].proofs.read(LinkKind.PROOF, request.match_info["token"])
    except LinkOverError as error:
        return _refused(error)
    return shown("Is this your e-mail address?", _PROVE.format(address=escape(link.address)))


@page(access=Access.EVERYBODY)
async def prove(request: web.Request) -> web.Response:
    """The address is its user's."""
    try:
        user = await request.app[ACCOUNTS].proofs.prove(request.match_info["token"])
    except LinkOverError as error:
        return _refused(error)
    return shown("Thank you", f"<p>Mail may go out from <b>{escape(user.email)}</b> now.</p>")


@page(access=Access.EVERYBODY)
async def show_choosing(request: web.Request) -> web.Response:
    """A form for the new password."""
    return _choosing(request, "")


@page(access=Access.EVERYBODY)
async def choose(request: web.Request) -> web.Response:
    """Gives the user the new password."""
    proofs, token = request.app[ACCOUNTS].proofs, request.match_info["token"]
    try:
        await proofs.set_password(token, await field(request, "password") or "")
    except InvalidError as error:
        return _choosing(request, f"<p><b>The password {escape(error.errors[0].detail)}.</b></p>")
    except RequestError as error:
        return _refused(error)
    return shown("You have a new password", "<p>Log in with it. Every session from before has ended.</p>")


def _choosing(request: web.Request, fault: str) -> web.Response:
    try:
        link = request.app[ACCOUNTS].proofs.read(LinkKind.PASSWORD, request.match_info["token"])
    except LinkOverError as error:
        return _refused(error)
    form = _CHOOSE.format(fault=fault, address=escape(link.address), least=MIN_PASSWORD, most=MAX_PASSWORD)
    return shown("Another password", form, HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK)


def _refused(error: RequestError) -> web.Response:
    title = "This link does not work" if isinstance(error, LinkOverError) else "This does not work now"
    return shown(title, f"<p>{escape(error.detail.capitalize())}.</p>", error.status)


PAGES: Final = (
    web.get("/account/password", show_asking),
    web.post("/account/password", ask),
    web.get("/account/password/{token}", show_choosing),
    web.post("/account/password/{token}", choose),
    web.get("/account/proof/{token}", show_proof),
    web.post("/account/proof/{token}", prove),
)
