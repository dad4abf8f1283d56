"""Tests of channels/webhook."""
