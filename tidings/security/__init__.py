"""Where connections may go, sealed secrets, signatures. Imports `tidings.settings` and `tidings.domain`."""
