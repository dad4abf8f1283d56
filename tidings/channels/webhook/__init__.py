"""Channel `webhook`: signed POSTs to a URL."""
