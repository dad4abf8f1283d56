"""A store on the test's own database, and a client of its Redis."""

from tests.integration.conftest import redis, store

__all__ = ["redis", "store"]
