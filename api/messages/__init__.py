"""Messages: handed in, looked up, listed, cancelled, retried, one by one or in bulk.

May import `api.http`, `api.openapi`, `sql` and `tidings`; `schemas` and `validation` know nothing of requests.
"""
