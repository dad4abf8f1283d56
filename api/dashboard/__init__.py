"""The dashboard: a page for browsers at `/`, its files under `/dashboard/`, and the cookie that it logs in with.

The page is plain HTML, CSS and ES modules (`static/`), served as they lie there; all it shows comes from `/api/v1`. May
import `api.accounts`, `api.http` and `api.openapi.operation`.
"""
