"""Tests of api/endpoints."""
