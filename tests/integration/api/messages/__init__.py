"""Tests of api/messages."""
