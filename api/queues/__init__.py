"""Queues: their pace, and their on/off switch. May import `api.http`, `api.openapi` and `sql`."""
