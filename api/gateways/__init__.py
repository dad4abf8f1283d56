"""SMS gateways that are rows: made, changed, deleted; credentials are sealed and never shown."""
