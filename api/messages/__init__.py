"""Messages: accepted, looked up, listed, cancelled, retried, one by one or in bulk."""
