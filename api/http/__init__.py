"""What all handlers share: authentication, bodies, problems, principals, resources, static files.

`resources` imports the rooms whose objects it opens; the rest imports `tidings`, and what handlers declare for access.
"""
