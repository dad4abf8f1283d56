"""Why a message is not sent: pure `reasons`, the JSON in `schemas`, and one route.

May import `api.messages` (which message), `api.overview.cluster` (who is there), `api.http`, `api.openapi`.
"""
