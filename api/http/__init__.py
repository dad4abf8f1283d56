"""What all handlers share: authentication, bodies, problems, resources, static files."""
