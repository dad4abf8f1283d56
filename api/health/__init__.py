"""Whether this process and its stores work, for probes."""
