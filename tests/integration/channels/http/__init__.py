"""Tests of channels/http."""
