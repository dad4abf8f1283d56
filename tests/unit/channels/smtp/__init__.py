"""Tests of channels/smtp."""
