"""Tests of api/events."""
