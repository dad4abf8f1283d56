"""The HTTP client that channels deliver with."""
