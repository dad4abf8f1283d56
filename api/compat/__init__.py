"""The interfaces of earlier systems, kept so that their clients need not change."""
