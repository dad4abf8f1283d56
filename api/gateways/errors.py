"""Why a gateway is not made, found or changed."""

from http import HTTPStatus
from typing import Final

from api.http.problems import RequestError
from sql.gateways import MAX_OWN

NO_SUCH_GATEWAY: Final = "there is no such gateway"
TAKEN: Final = "there is a gateway of that name"


class NoSuchGatewayError(RequestError):
    def __init__(self) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, NO_SUCH_GATEWAY)


class GatewayTakenError(RequestError):
    def __init__(self) -> None:
        super().__init__(HTTPStatus.CONFLICT, TAKEN)


class TooManyGatewaysError(RequestError):
    def __init__(self) -> None:
        super().__init__(HTTPStatus.CONFLICT, f"there are {MAX_OWN} gateways already, or too many of everybody")
