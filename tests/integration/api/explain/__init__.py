"""Tests of api/explain."""
