"""Redis: every key and its lifetime, connections, the arq job. Imports `tidings.settings` and `tidings.domain`."""
