"""Queues: their pace, and their on/off switch. May import `api.http`, `api.openapi`, `sql`,
and `api.messages.schemas` for the types that both show."""
