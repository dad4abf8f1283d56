"""What all handlers share: authentication, bodies, problems, principals, resources, static files.

`resources` imports the rooms whose objects it opens; `auth` imports the dashboard's
cookie and what handlers declare for access; the rest imports `sql` and `tidings` only.
"""
