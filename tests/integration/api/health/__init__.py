"""Tests of api/health."""
