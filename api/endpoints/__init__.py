"""Webhook endpoints: what events fan out to."""
