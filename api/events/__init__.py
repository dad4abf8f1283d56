"""Events: each goes to every endpoint that wants it."""
