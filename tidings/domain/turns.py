"""Whose turn a message takes: a small number, because a claim goes through all that have something due.

Two users share a number once in 32,767 pairs, and then take their turns together.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Final
from uuid import UUID

NOBODY: Final = 0
"""The share of what the operator sends without a fairness key."""
MAX_FAIRNESS_KEY: Final = 128
"""Characters in a fairness key at the most."""
_SHARES: Final = 32_767


@lru_cache(maxsize=4096)
def share_of(user_id: UUID | None, fairness_key: str | None = None) -> int:
    """The share of a user's messages, or of those that one sender marks with the same key."""
    if user_id is None and fairness_key is None:
        return NOBODY
    whose = (b"" if user_id is None else user_id.bytes) + b"/" + (fairness_key or "").encode()
    return 1 + int.from_bytes(blake2b(whose, digest_size=8).digest()) % _SHARES
