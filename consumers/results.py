"""What a channel returned: a channel may be anybody's code, so its result is checked before anything is made of it."""

import math
from typing import Final, cast

import msgspec
import structlog

from tidings.channels.base import Accepted, Rejected, Result, Retry

log = structlog.get_logger(__name__)

USUAL_TYPES: Final = (str, int, bytes, type(None), tuple)
"""Of the fields of Accepted: needs no conversion, which takes 0.4 µs a message."""


def checked(result: object, *, channel: str) -> Result:
    """What a channel returned, converted to a Result that keeps what its type declares.

    May deliver a message twice if a channel returns a malformed result for a message that the receiver accepted: that
    counts as a Retry without an answer.
    """
    if (
        type(result) is Accepted
        and not result.unknown
        and (
            *(type(result.provider_message_id), type(result.status_code)),
            *(type(result.answer), type(result.error), type(result.unknown)),
        )
        == USUAL_TYPES
    ):
        return result
    try:
        return _convert(result)
    except (TypeError, ValueError) as error:
        log.exception("channel returned no valid result", channel=channel)
        return Retry(error=f"the channel returned {error}", unanswered=True)


def _convert(result: object) -> Result:
    """Raises TypeError or ValueError, whose text continues "the channel returned"."""
    if not isinstance(result, Result):
        raise TypeError("no result" if result is None else f"no result: {type(result).__name__}")
    kind = Accepted if isinstance(result, Accepted) else Retry if isinstance(result, Retry) else Rejected
    try:
        converted = cast("Result", msgspec.convert(msgspec.structs.asdict(result), kind))
    except msgspec.ValidationError as error:
        raise ValueError(f"a wrong {kind.__name__}: {error}") from error
    if isinstance(cast("object", result.answer), str):
        # msgspec has decoded it from base64.
        raise TypeError(f"a wrong {kind.__name__}: answer is no bytes")
    if isinstance(converted, Retry) and converted.delay is not None and not 0 <= converted.delay < math.inf:
        raise ValueError(f"a wrong Retry: delay={converted.delay}")
    return converted
