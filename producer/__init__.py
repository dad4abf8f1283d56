"""The cron-like side: claims due messages, pushes them to consumers, takes them back from the dead."""
