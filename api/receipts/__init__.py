"""Receipts: what gateways and receivers report of messages that were sent. May import `api.http`, `api.openapi`,
`sql`."""
