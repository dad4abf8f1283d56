"""Swagger UI at `/swagger/`, out of our own files: it reads `/openapi.json` and needs nothing from elsewhere.

Imports `api.http` and `api.openapi.operation`.
"""
