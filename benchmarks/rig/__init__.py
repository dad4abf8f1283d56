"""What the figures share: programs to measure against, processes to measure, meters, and the report."""
