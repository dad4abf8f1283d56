"""The overview of the whole deployment: now, the last hour, and as a stream.

May import `api.health`, `api.http`, `api.openapi`, `sql` and `tidings`; nothing of messages or accounts.
"""
