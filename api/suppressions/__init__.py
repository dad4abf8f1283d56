"""Suppressions: addresses that take no more mail of a user, refused at the door; and the links to unsubscribe.

May import `api.http`, `api.openapi`, `api.messages`, `sql`.
"""
