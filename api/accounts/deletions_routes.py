"""Deleting accounts: one's own, and for an admin that of any user."""

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import hdrs, web

from api.accounts import me_routes as me
from api.accounts import users_routes as users
from api.accounts.errors import LastAdminLeftError, NoSuchDeletionError, NoSuchUserError
from api.accounts.schemas import DeletionAnswer, OwnDeletion
from api.audit.record import audit, together
from api.http.body import answer, read
from api.http.lengths import SMALL_BODY
from api.http.peer import client_address
from api.http.resources import ACCOUNTS
from api.openapi import examples, failures, parameters, request_examples, tags
from api.openapi.operation import Access, Answer, Body, operation
from sql.deletions import Deletion
from tidings.domain.api_key import Scope
from tidings.domain.audit import Action
from tidings.domain.ids import parse_id

_decoder: Final = msgspec.json.Decoder(OwnDeletion)
_LAST_ADMIN: Final = {HTTPStatus.CONFLICT: LastAdminLeftError.detail}
_BEGUN: Final = {
    HTTPStatus.ACCEPTED: Answer(
        "It has begun.", DeletionAnswer, examples.DELETION, headers={hdrs.LOCATION: "Where its progress is shown."}
    )
}


@operation(
    tags.USERS,
    access=Access.ADMINS,
    scope=Scope.ADMIN,
    whole=True,
    parameters=(parameters.USER_ID,),
    answers=_BEGUN,
    errors={HTTPStatus.NOT_FOUND: NoSuchUserError.detail, **_LAST_ADMIN},
)
async def delete_user(request: web.Request) -> web.Response:
    """Deletes a user, for good.

    What waits is cancelled. Contents, recipients, keys and secrets are erased.
    """
    user_id = users.named_id(request)
    async with together(request):
        deletion = await request.app[ACCOUNTS].deletions.request(user_id)
        await audit(request, Action.USER_DELETE, user_id, owner=user_id)
    return _begun(deletion)


@operation(
    tags.ACCOUNTS,
    access=Access.MEMBERS,
    scope=Scope.ADMIN,
    whole=True,
    body=Body(_decoder, request_examples.OWN_DELETIONS, max_bytes=SMALL_BODY),
    answers=_BEGUN,
    errors={HTTPStatus.NOT_FOUND: me.NO_ACCOUNT, **_LAST_ADMIN, **failures.PASSWORD_CHECK},
)
async def delete_own(request: web.Request) -> web.Response:
    """Deletes the own account, for good.

    What waits is cancelled. Contents, recipients, keys and secrets are erased.
    """
    user_id, wanted = me.own_id(request), await read(request, _decoder)
    deletions = request.app[ACCOUNTS].deletions
    deletion = await deletions.request_own(user_id, wanted.current_password, address=str(client_address(request)))
    await audit(request, Action.USER_DELETE, user_id)
    return _begun(deletion)


@operation(
    tags.ACCOUNTS,
    access=Access.EVERYBODY,
    parameters=(parameters.DELETION_ID,),
    answers=Answer("How far it is.", DeletionAnswer, examples.DELETION),
    errors={HTTPStatus.NOT_FOUND: NoSuchDeletionError.detail},
)
async def get(request: web.Request) -> web.Response:
    """Shows how far a deletion is.

    Whoever asked for it knows its id, and may have no account any more.
    """
    deletion_id = parse_id(request.match_info["deletion_id"])
    if deletion_id is None:
        raise NoSuchDeletionError
    return answer(DeletionAnswer.of(await request.app[ACCOUNTS].deletions.get(deletion_id)))


def _begun(deletion: Deletion) -> web.Response:
    location = f"/api/v1/deletions/{deletion.id}"
    return answer(DeletionAnswer.of(deletion), status=HTTPStatus.ACCEPTED, headers={hdrs.LOCATION: location})
