"""Swagger UI at `/swagger/`, out of our own files: it reads `/openapi.json` and needs nothing from elsewhere."""
