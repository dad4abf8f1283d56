"""Sends messages through tidings: `Client`, and `AsyncClient` with the same methods.

    with Client("http://localhost:8080") as tidings:
        message = tidings.send("sms", "+4915112345678", "hello")
        print(tidings.wait(message.id).status)

`errors.py` has the tree of what can go wrong, `models.py` what the API answers, `testing` a fake for tests.
"""

from tidings_client._batches import SentMany
from tidings_client.async_client import AsyncClient
from tidings_client.client import Client
from tidings_client.errors import (
    ConflictError,
    Error,
    Fault,
    ForbiddenError,
    InvalidError,
    NoAnswerError,
    NotFoundError,
    NotReachedError,
    OverQuotaError,
    RefusedError,
    ServerError,
    StoppedError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from tidings_client.models import Attempt, Explanation, Message, NewMessage, Queue

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Attempt",
    "Client",
    "ConflictError",
    "Error",
    "Explanation",
    "Fault",
    "ForbiddenError",
    "InvalidError",
    "Message",
    "NewMessage",
    "NoAnswerError",
    "NotFoundError",
    "NotReachedError",
    "OverQuotaError",
    "Queue",
    "RefusedError",
    "SentMany",
    "ServerError",
    "StoppedError",
    "TooLargeError",
    "UnauthorizedError",
    "UnavailableError",
]
