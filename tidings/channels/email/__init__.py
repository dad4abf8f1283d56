"""Channel `email`: mail through the user's SMTP account."""
