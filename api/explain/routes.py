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
from api.messages.routes import NO_MESSAGE, find, of_message
from api.openapi import examples
from api.openapi.operation import Answer
from api.overview.cluster import ClusterState, read_cluster
from tidings.channels.email.accounts import ReadSenders, opened
from tidings.channels.installed import recipients
from tidings.channels.recipient import EndpointKey
from tidings.domain.errors import describe
from tidings.domain.message import Message

log = structlog.get_logger(__name__)


@of_message(answers=Answer("The explanation.", Explanation, examples.EXPLANATION))
async def get(request: web.Request) -> web.Response:
    """Explains why a message is not sent.

    With the one reason that has to end first, what happens next and when, and the facts that this rests on.
    """
    message, store = await find(request), request.app[STORE]
    circumstances, attempts, (destination, endpoint), cluster = await asyncio.gather(
        store.messages.state(message.id),
        store.messages.attempts(message),
        _receiver(message, opened(store.users.senders, request.app[SETTINGS])),
        _cluster(request.app[REDIS]),
    )
    if circumstances is None:
        raise RequestError(HTTPStatus.NOT_FOUND, NO_MESSAGE)
    case = Case(
        message=message,
        circumstances=circumstances,
        cluster=cluster,
        destination=destination,
        endpoint=endpoint,
        attempts=attempts,
        breaker_seconds=request.app[SETTINGS].breaker_seconds,
    )
    return answer(explain(case))


async def _receiver(message: Message, read: ReadSenders) -> tuple[str | None, EndpointKey | None]:
    """Destination and endpoint, as consumers name them in the reports of their breakers.

    None if only the channel of another package knows it.
    """
    senders = {} if message.user_id is None else await read([message.user_id])
    sender = next(iter(senders.values()), None)
    rules = recipients(message.channel)
    key, endpoint = rules.destination(message, sender), rules.endpoint(message, sender)
    return (
        None if key is None else f"{message.channel} {key}",
        None if endpoint is None else EndpointKey(f"{message.channel} {endpoint.name}", endpoint.user_id),
    )


async def _cluster(redis: Redis) -> ClusterState | None:
    try:
        return await read_cluster(redis)
    except (RedisError, OSError) as error:
        log.info("an explanation without what consumers report", error=describe(error))
        return None
