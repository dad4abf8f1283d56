"""Tests of channels/echo."""
