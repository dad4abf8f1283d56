"""Why a message is not sent."""

import asyncio
from http import HTTPStatus

import structlog
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.explain.reasons import Case, explain
from api.explain.schemas import Explanation
from api.http.body import answer
from api.http.problems import RequestError
from api.http.resources import REDIS, SETTINGS, STORE
from api.messages.routes import NO_MESSAGE, find
from api.openapi import explain_examples, parameters, tags
from api.openapi.operation import Answer, operation
from api.overview.cluster import Surroundings, look_around
from sql.store import Store
from tidings.channels.installed import recipients
from tidings.domain.errors import describe
from tidings.domain.message import Message

log = structlog.get_logger(__name__)


@operation(
    tags.MESSAGES,
    parameters=(parameters.MESSAGE_ID,),
    answers={HTTPStatus.OK: Answer("The explanation.", Explanation, explain_examples.EXPLANATION)},
    errors={HTTPStatus.NOT_FOUND: NO_MESSAGE},
)
async def get(request: web.Request) -> web.Response:
    """Explains why a message is not sent.

    With the one reason that has to end first, what happens next and when, and the facts that this rests on.
    """
    message, store = await find(request), request.app[STORE]
    circumstances, attempts, destination, around = await asyncio.gather(
        store.messages.circumstances(message.id),
        store.messages.attempts(message),
        _destination(message, store),
        _around(request.app[REDIS]),
    )
    if circumstances is None:
        raise RequestError(HTTPStatus.NOT_FOUND, NO_MESSAGE)
    case = Case(
        message=message,
        circumstances=circumstances,
        around=around,
        destination=destination,
        attempts=attempts,
        breaker_seconds=request.app[SETTINGS].breaker_seconds,
    )
    return answer(explain(case))


async def _destination(message: Message, store: Store) -> str | None:
    """As consumers name it in the reports of their breakers; None if only the channel of another package knows it."""
    senders = {} if message.user_id is None else await store.users.senders([message.user_id])
    sender = next(iter(senders.values()), None)
    key = recipients(message.channel).destination(message, sender)
    return None if key is None else f"{message.channel} {key}"


async def _around(redis: Redis) -> Surroundings | None:
    try:
        return await look_around(redis)
    except (RedisError, OSError) as error:
        log.info("an explanation without what consumers report", error=describe(error))
        return None
