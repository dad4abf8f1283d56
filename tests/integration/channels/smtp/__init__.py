"""The e-mail channel, its pool and its connections, against a mail server over real SMTP and TLS."""
