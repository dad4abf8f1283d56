"""What a stranger may try, each finding as a test that fails where it is open."""
