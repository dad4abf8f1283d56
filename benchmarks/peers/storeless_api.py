"""The API without a store: the same process, application, middlewares, routes and checks, but nothing is kept.

    python -m benchmarks.peers.storeless_api

It starts as the API does (and needs its settings, and its stores to start), but every message is answered 201 at once,
as if it had been committed: Postgres hears of none of them, and the group commit is left out.
"""

from api.messages.intake import Intake
from api.service import serve
from sql.messages import IdempotencyKey
from tidings.domain.message import NewMessage
from tidings.runtime.process import run


async def keep_nothing(self: Intake, message: NewMessage, key: IdempotencyKey | None = None) -> bool:  # noqa: ARG001
    """In the place of `Intake.keep`."""
    return True


if __name__ == "__main__":
    Intake.keep = keep_nothing  # type: ignore[method-assign]
    run("api", serve)
