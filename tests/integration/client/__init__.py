"""tidings-client against the real API."""
