"""Which gateway a text message goes through, of all that there are. Pure; in memory only.

A user's own gateways come before the operator's. Of those that fit, the ones for the longest prefix come first; among
them weights decide, the same way for each attempt at a message. One that is held is passed over, but not by a message
that it may have taken without an answer: that one waits, unless the gateway allows duplicates.
"""

from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from tidings.domain.gateway import OWN, Gateway, candidates, in_turn
from tidings.domain.message import Delivery


class GatewayDirectory:
    """All gateways of a process, by whose they are."""

    def __init__(self, gateways: Iterable[Gateway] = ()) -> None:
        self.all: Sequence[Gateway] = ()
        self._by_user: dict[UUID | None, list[Gateway]] = {}
        self.replace(gateways)

    def replace(self, gateways: Iterable[Gateway]) -> None:
        """These take the place of all. Of two of one name, the first one counts."""
        kept: dict[tuple[UUID | None, str], Gateway] = {}
        for gateway in gateways:
            kept.setdefault((gateway.user_id, gateway.name), gateway)
        by_user: dict[UUID | None, list[Gateway]] = {}
        for gateway in kept.values():
            by_user.setdefault(gateway.user_id, []).append(gateway)
        self.all, self._by_user = tuple(kept.values()), by_user

    def of(self, user_id: UUID | None) -> Sequence[Gateway]:
        """Those that a user has, or for None the operator."""
        return self._by_user.get(user_id, ())

    def open_to(self, user_id: UUID | None) -> Sequence[Gateway]:
        """Those that messages of a user may go through, enabled or not."""
        if not self._by_user:
            return ()
        operators = [gateway for gateway in self.of(None) if gateway.may_be_used_by(user_id)]
        return operators if user_id is None else [*self.of(user_id), *operators]

    def find(self, user_id: UUID | None, key: str) -> Gateway | None:
        """The one that messages of a user call so; None where there is none (any more)."""
        own = key.startswith(OWN)
        owned = self.of(user_id if own else None)
        return next((gateway for gateway in owned if gateway.key == key), None)

    def fitting(
        self, user_id: UUID | None, recipient: str, sender: str | None = None, named: str | None = None
    ) -> list[Gateway]:
        """Those that a message may go through, in no order."""
        return candidates(self.open_to(user_id), user_id=user_id, recipient=recipient, sender=sender, named=named)

    def choose(self, delivery: Delivery, can_go: Callable[[Gateway], bool]) -> Gateway | None:
        """The one that takes a message now; None where none fits, or that it must wait for is gone."""
        if not self._by_user:
            return None
        if delivery.possible_duplicate and delivery.gateway is not None:
            had = self.find(delivery.user_id, delivery.gateway)
            if had is None or not had.allows_duplicates or can_go(had):
                return had
        fitting = self.fitting(delivery.user_id, delivery.recipient, delivery.sender, delivery.account)
        turns = in_turn(fitting, delivery.id, delivery.recipient)
        if not turns:
            return None
        if delivery.possible_duplicate and not turns[0].allows_duplicates:
            # Lost with its consumer: nobody knows who had it, but it is the first one if all were well.
            return turns[0] if delivery.gateway is None else next(filter(can_go, turns), turns[0])
        return next(filter(can_go, turns), turns[0])
