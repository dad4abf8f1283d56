"""Tests of api/overview."""
