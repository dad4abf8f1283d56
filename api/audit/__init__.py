"""The audit log: what is recorded of a change, and the list of it."""
