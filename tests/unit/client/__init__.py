"""tidings-client by itself, against its own fake."""
