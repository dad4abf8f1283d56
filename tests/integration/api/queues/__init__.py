"""Tests of api/queues."""
