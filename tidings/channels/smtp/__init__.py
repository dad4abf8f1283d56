"""The SMTP client: mails, connections, a pool of them."""
