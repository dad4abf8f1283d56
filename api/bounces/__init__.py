"""Bounces: what mail servers and mailbox providers report of mail that was sent. May import `api.http`, `api.openapi`,
`api.messages`, `sql`."""
