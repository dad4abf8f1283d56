"""Tests of channels/apprise."""
