"""`fake_tidings` and `tidings_server` for pytest."""
