"""Holds: endpoints to which nothing goes until somebody releases them. May import `api.http`, `api.openapi`, `sql`."""
