"""Programs that send through tidings, to read and to run."""
